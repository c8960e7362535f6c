"""Where routing starts: the logits b_ij before the first iteration.

Shapes: B batch, L history length, K interests, D dimension.

Both starts are pure functions of a user's own history, so that a user's interests do not depend on the batch,
on padding, or on anything drawn earlier. All-zero logits are refused: interests share S, so that equal logits
give equal capsules for ever.
"""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

import torch
from torch import Tensor

from mind.model.arithmetic import FAST, Arithmetic, unit
from mind.model.hashing import GOLDEN, SALT, mix, shift_right, signed

RoutingStart = Literal["normal", "farthest"]

_NORMAL_BITS = 16
_ITEM = 0xD1342543DE82EF95
_LENGTH = 0xA0761D6478BD642F


def check_start(kind: str, sigma: float, start_scale: float) -> None:
    """Raise ValueError for a start that is unknown or would make every capsule the same."""
    if kind not in ("normal", "farthest"):
        raise ValueError(f"routing_start is {kind!r}, it must be 'normal' or 'farthest'; choose one of them")
    name, value = ("sigma", sigma) if kind == "normal" else ("start_scale", start_scale)
    if not (math.isfinite(value) and value > 0.0):
        raise ValueError(
            f"{name} is {value}, with routing_start {kind!r} it must be finite and above 0: equal logits "
            "make all interests identical, as they share S; the default is "
            + ("sigma = 1.0" if kind == "normal" else "start_scale = 5.0")
        )


def normal_start(
    history_BL: Tensor, interests: int, sigma: float, salt: int = 0, dtype: torch.dtype = torch.float64
) -> Tensor:
    """b_ij ~ N(0, sigma^2), [B, L, K], from a hash of the user's history.

    The paper draws b_ij at random. Here the draw is a function of the items in order, of the behaviour's rank
    among the real behaviours, of the interest and of `salt` (training passes its step, serving 0), never of
    padding or of other users (not in the paper). A splitmix64 counter picks one of 65,536 quantiles of the
    normal distribution (|b| at most 4.3 sigma): a look-up gives the same bits everywhere, where a vectorised
    logarithm and cosine do not.
    """
    mask_BL = history_BL != 0
    rank_BL = mask_BL.long().cumsum(dim=1) - 1
    position_BL = mix(history_BL.long() * signed(_ITEM) + rank_BL * signed(GOLDEN))
    # Integer sums wrap and commute, so where the padding sits cannot matter.
    history_B = position_BL.masked_fill(~mask_BL, 0).sum(dim=1) + mask_BL.sum(dim=1) * signed(_LENGTH)
    key_B = mix(history_B + signed(salt * SALT))
    interest_K = torch.arange(interests, device=history_BL.device)
    counter_BKL = (rank_BL.unsqueeze(1) << _NORMAL_BITS) + interest_K.unsqueeze(1)
    bits_BKL = mix(key_B[:, None, None] + counter_BKL * signed(GOLDEN))
    quantile_BKL = shift_right(bits_BKL, 64 - _NORMAL_BITS)
    return (sigma * _normal_quantiles(str(history_BL.device), dtype)[quantile_BKL]).transpose(1, 2)


@torch.no_grad()
def farthest_start(
    mapped_BLD: Tensor, mask_BL: Tensor, interests: int, start_scale: float, arithmetic: Arithmetic = FAST
) -> Tensor:
    """b_ij = start_scale * cos(S e_i, seed_j), [B, L, K], no gradient.

    Seeds in the manner of k-means++ (the paper's future work), without chance: the first is the most recent
    behaviour, each next one the behaviour whose largest cosine to the seeds so far is smallest, of equals the
    most recent. Histories run from the oldest to the most recent behaviour.
    """
    direction_BLD = unit(mapped_BLD.detach(), arithmetic)
    order_L = torch.arange(1, mask_BL.shape[1] + 1, device=mask_BL.device)
    seed_B = _last(mask_BL, order_L)
    nearest_BL: Tensor | None = None
    cosines: list[Tensor] = []
    for _ in range(interests):
        seed_B1D = direction_BLD[torch.arange(seed_B.shape[0], device=seed_B.device), seed_B].unsqueeze(1)
        cosine_BL = arithmetic.product(seed_B1D, direction_BLD.transpose(1, 2)).squeeze(1)
        cosines.append(cosine_BL)
        nearest_BL = cosine_BL if nearest_BL is None else torch.maximum(nearest_BL, cosine_BL)
        candidate_BL = nearest_BL.masked_fill(~mask_BL, float("inf"))
        seed_B = _last((candidate_BL == candidate_BL.amin(dim=1, keepdim=True)) & mask_BL, order_L)
    return start_scale * torch.stack(cosines, dim=1).transpose(1, 2)


def _last(choice_BL: Tensor, order_L: Tensor) -> Tensor:
    """Index of the last True of each row; 0 where there is none (an empty history, whose weights are 0)."""
    return ((choice_BL * order_L).amax(dim=1) - 1).clamp_min(0)


@lru_cache(maxsize=8)
def _normal_quantiles(device: str, dtype: torch.dtype) -> Tensor:
    count = 1 << _NORMAL_BITS
    normal = NormalDist()
    values = [normal.inv_cdf((index + 0.5) / count) for index in range(count)]
    return torch.tensor(values, dtype=torch.float64, device=device).to(dtype)
