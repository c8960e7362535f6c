"""Where a behaviour stands in the history, counted from the most recent: a weight and a vector of each place.

Not in the paper, whose capsules are sums over a set: the last click and the fiftieth count alike. Shapes: B batch, L
history length, D dimension.
"""

import math

import torch
from torch import Tensor, nn

from mind.model.arithmetic import Arithmetic

SMALLEST_WEIGHT = 1e-30
"""Sum of weights below which a mean is taken as of nothing."""


class Recency(nn.Module):
    """a_r and t_r for r = 0 (the most recent behaviour) to L - 1: routing sees S (e_i + t_r), and a capsule sums
    a_r w_ij S (e_i + t_r).

    Args:
        history_length: L.
        dimension: D.
        scale: expected length of e_i at the start; t_r starts at a tenth of it, a_r at 1.
        generator: source of the starting values.
    """

    def __init__(self, history_length: int, dimension: int, *, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        # The logarithm, so that a weight stays above 0 wherever training takes it.
        self.log_weight_L = nn.Parameter(torch.zeros(history_length))
        place_LD = torch.randn(history_length, dimension, generator=generator)
        self.place_LD = nn.Parameter(place_LD * (0.1 * scale / math.sqrt(dimension)))

    def weights(self, place: Tensor) -> Tensor:
        """a_r of places of any shape."""
        # Looked up after the exponential: a vectorised one may give other bits at another place of a batch.
        return self.log_weight_L.exp()[place]

    def places(self, place: Tensor) -> Tensor:
        """t_r of places [...]: [..., D]."""
        return self.place_LD[place]

    def latest_weights(self, count: int) -> Tensor:
        """a_r [count] of the latest behaviours, from the oldest of them to the most recent."""
        return self.log_weight_L[:count].exp().flip(0)

    def latest_places(self, count: int) -> Tensor:
        """t_r [count, D] of the latest behaviours, from the oldest of them to the most recent."""
        return self.place_LD[:count].flip(0)


def from_latest(mask_BL: Tensor) -> Tensor:
    """How many real behaviours of the row come later, [B, L]; 0 for padding, wherever it stands."""
    later_BL = mask_BL.sum(dim=1, keepdim=True) - mask_BL.long().cumsum(dim=1)
    return later_BL.masked_fill(~mask_BL, 0)


def weighted_mean(mapped_BLD: Tensor, mask_BL: Tensor, weight_BL: Tensor | None, arithmetic: Arithmetic) -> Tensor:
    """Mean of the mapped behaviours by their weights, [B, D]; zero for a user without any."""
    mask_BL1 = mask_BL.to(mapped_BLD.dtype).unsqueeze(2)
    share_B1L = mask_BL1.transpose(1, 2)
    if weight_BL is not None:
        share_B1L = share_B1L * weight_BL.unsqueeze(1)
    total_B1 = arithmetic.product(share_B1L, mask_BL1).squeeze(2)
    sum_BD = arithmetic.product(share_B1L, mapped_BLD).squeeze(1)
    return sum_BD / total_B1.clamp_min(SMALLEST_WEIGHT)
