"""From a capsule and the profile to an interest vector, eq (1).

Shapes: B batch, K interests, D dimension, X width of the profile embedding p_u, H width of the first layer.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from mind.model.arithmetic import FAST, Arithmetic


class Head(nn.Module):
    """Each capsule concatenated with p_u (and with the context, where there is one), ReLU layers, then a linear layer
    to D; the same for all interests.

    The paper has ReLU layers only. The last layer here has none: vectors without negative entries have no
    negative cosine with each other, and items could only be told apart inside one corner of the space.

    Args:
        dimension: D.
        profile_width: X.
        hidden_sizes: widths of the ReLU layers; empty for a single linear layer.
        residual: the layers' result is added to the capsule and starts small (not in the paper): a capsule is a mapped
            sum of items and points at their like before anything is learned.
        generator: source of the starting weights (He for ReLU layers, variance-keeping for the last).
    """

    def __init__(
        self,
        dimension: int,
        profile_width: int,
        hidden_sizes: Sequence[int],
        residual: bool = False,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.residual = residual
        widths = [dimension + profile_width, *hidden_sizes, dimension]
        # torch draws starting values from its global generator, which is put back. (The meta device would draw none,
        # but costs 4 s in every process: it loads torch's reference implementations.)
        with torch.random.fork_rng(devices=[]):
            self.layers = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(widths))
        with torch.no_grad():
            for index, layer in enumerate(self.layers):
                gain = (0.1 if residual else 1.0) if index == len(self.layers) - 1 else math.sqrt(2.0)
                weight = layer.get_parameter("weight")
                weight.normal_(0.0, gain / math.sqrt(weight.shape[1]), generator=generator)
                layer.get_parameter("bias").zero_()

    def forward(self, capsules_BKD: Tensor, profile_BX: Tensor, arithmetic: Arithmetic = FAST) -> Tensor:
        """-> interests [B, K, D], not normalised."""
        width = capsules_BKD.shape[2]
        for index, layer in enumerate(self.layers):
            weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
            if index == 0:
                # The profile's share of the first layer is the same for all interests of a user.
                profile_BH = arithmetic.linear(profile_BX.to(capsules_BKD.dtype), weight[:, width:], bias)
                state = arithmetic.linear(capsules_BKD, weight[:, :width]) + profile_BH.unsqueeze(1)
            else:
                state = arithmetic.linear(torch.relu(state), weight, bias)
        return capsules_BKD + state if self.residual else state
