"""Label-aware attention, training only.

Shapes: B batch, K interests, D dimension.
"""

import math

import torch
from torch import Tensor


def label_attention(interests_BKD: Tensor, active_BK: Tensor, label_BD: Tensor, power: float) -> Tensor:
    """v_u [B, D] = V_u softmax(p x), x = V_u^T e_i, over the active interests.

    The paper writes softmax(pow(x, p)). This is softmax(p * x), which has the same limits (p = 0: the mean;
    p = inf: the best interest) and keeps the order of interests for dots of either sign; a signed number
    raised to a power is NaN for p = 1.5, and for p = 2 prefers the worst interest. x is not divided by the
    temperature. With normalised interests and finite p, v_u is a weighted mean and shorter than 1: it is not
    normalised again, so its score is the same mean of cosines (not in the paper).

    Args:
        interests_BKD: V_u.
        active_BK: at least one True a row; the others get -inf.
        label_BD: e_i of the target.
        power: p in [0, inf]; inf is hard attention, whose choice carries no gradient.

    Raises:
        ValueError: power is negative or NaN.
    """
    check_power(power)
    dots_BK = torch.matmul(interests_BKD, label_BD.unsqueeze(-1)).squeeze(-1)
    inactive_BK = ~active_BK
    if math.isinf(power):
        best_B = dots_BK.masked_fill(inactive_BK, float("-inf")).argmax(dim=1)
        return interests_BKD[torch.arange(best_B.shape[0], device=best_B.device), best_B]
    # The largest dot becomes 0 before p multiplies it: a great p cannot overflow, and p = 0 meets no
    # infinity.
    largest_B1 = dots_BK.detach().masked_fill(inactive_BK, float("-inf")).amax(dim=1, keepdim=True)
    logits_BK = (power * (dots_BK - largest_B1)).masked_fill(inactive_BK, float("-inf"))
    weights_BK = torch.softmax(logits_BK, dim=1)
    return torch.matmul(weights_BK.unsqueeze(1), interests_BKD).squeeze(1)


def check_power(power: float) -> None:
    """Raise ValueError unless 0 <= power <= inf."""
    if math.isnan(power) or power < 0.0:
        raise ValueError(f"attention_power is {power}, it must lie in [0, inf]; inf (the best interest) is the default")
