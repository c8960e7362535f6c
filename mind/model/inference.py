"""Vectors for serving: the same bits for a user or an item, whatever stands beside it.

Shapes: B users, L history length, P profile features, K interests, D dimension, M items.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mind.model.arithmetic import ORDER_FREE
from mind.model.behaviour_time import packed
from mind.model.codes import FIRST_REAL
from mind.model.interests import Interests

if TYPE_CHECKING:
    from mind.model.mind import MIND


@torch.no_grad()
def infer_interests(
    model: "MIND", history_BL: Tensor, profile_BP: Tensor, block: int, age_BL: Tensor | None
) -> "Interests":
    """`MIND.infer`."""
    packed_BL, age_BL = packed(model, history_BL, age_BL)
    parts = [
        model.interests(
            packed_BL[rows], profile_BP[rows], arithmetic=ORDER_FREE, age_BL=None if age_BL is None else age_BL[rows]
        )
        for rows in _blocks(packed_BL.shape[0], block)
    ]
    return Interests(
        torch.cat([part.vectors_BKD for part in parts]).float(),
        torch.cat([part.active_BK for part in parts]),
        torch.cat([part.weights_BLK for part in parts]).float(),
    )


@torch.no_grad()
def infer_items(model: "MIND", items_M: Tensor, block: int) -> Tensor:
    """`MIND.infer_items`."""
    parts = [model.item_vectors(items_M[rows], arithmetic=ORDER_FREE) for rows in _blocks(items_M.shape[0], block)]
    return torch.cat(parts).float()


def real_items(model: "MIND") -> Tensor:
    """Indexes of all real items: 2 to V - 1, int64."""
    catalogue = model.item_embedding.item_features_VF
    return torch.arange(FIRST_REAL, catalogue.shape[0], device=catalogue.device)


def _blocks(rows: int, block: int) -> Iterator[slice]:
    """Slices that bound the memory in use; one empty slice for no rows, so that shapes survive."""
    if block < 1:
        raise ValueError(f"block is {block}, it must be at least 1; give the rows to hold in memory at once")
    yield from (slice(first, first + block) for first in range(0, max(rows, 1), block))
