"""A training batch sorted out: users by the length of their history, and each distinct item once.

Shapes: B batch, L history length, K interests, N negatives, T real behaviours of the batch, U distinct items, W
positives: the targets and the next targets.
"""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from mind.model.rows import Behaviours, grouped

if TYPE_CHECKING:
    from mind.model.mind import MIND


class Batch(NamedTuple):
    """A batch whose users stand in the order of their histories' lengths."""

    history_BL: Tensor
    """Item indexes, packed to the right: a column is at the same place from the most recent in every row."""
    mask_BL: Tensor
    age_BL: Tensor | None
    """Buckets of the behaviours' ages, packed likewise; None where the model takes none."""
    length_B: Tensor
    active_BK: Tensor
    distinct_U: Tensor
    behaviours: Behaviours
    """Its further rows are the negatives, then the positives."""


def batch_of(
    model: "MIND", history_BL: Tensor, age_BL: Tensor | None, positive_W: Tensor, negatives_N: Tensor
) -> Batch:
    real_BL = history_BL != 0
    length_B = real_BL.sum(dim=1)
    item_T = history_BL[real_BL].long()
    found = grouped(torch.cat([item_T, negatives_N, positive_W]))
    count = len(item_T)
    # Row-major order of the packed mask is that of the unpacked one: setting by it packs.
    width = history_BL.shape[1]
    mask_BL = torch.arange(width, device=history_BL.device) >= width - length_B.unsqueeze(1)
    packed_BL, place_BL = torch.zeros_like(mask_BL, dtype=torch.int64), torch.zeros_like(mask_BL, dtype=torch.int64)
    packed_BL[mask_BL] = item_T
    place_BL[mask_BL] = found.inverse_M[:count] + 1
    if age_BL is not None:
        age_BL = torch.zeros_like(place_BL).masked_scatter_(mask_BL, age_BL[real_BL])
    count_U = torch.bincount(found.inverse_M[:count], minlength=len(found.value_U))
    behaviours = Behaviours(
        row_T=found.inverse_M[:count],
        user_T=torch.repeat_interleave(length_B),
        first_B=length_B.cumsum(0) - length_B,
        order_T=found.order_M[found.order_M < count],
        first_U=count_U.cumsum(0) - count_U,
        row_R=found.inverse_M[count:],
        place_BL=place_BL,
        mask_BL=mask_BL,
    )
    return Batch(packed_BL, mask_BL, age_BL, length_B, model.active(length_B), found.value_U, behaviours)
