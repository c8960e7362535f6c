"""Leaving out what a user has seen, where the protocol says so: then only unseen items compete.

Shapes: B rows, X places for what a user has seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mind.evaluation.ranking import NO_ITEM

_FIRST_INDEX = 2


def excluded_positions(
    seen_BX: NDArray[Any], target_positions_B: ArrayLike, first_index: int = _FIRST_INDEX
) -> NDArray[np.int64]:
    """int64 [B, X]: the catalogue positions of what was seen, as `evaluate` takes them, padded with NO_ITEM.

    seen_BX: item indexes; the position of index i is i - first_index, so what is below first_index (padding, unknown
    items) is none. A history serves as it is, and then "seen" means among its latest L. A target that was seen stays
    in the competition, for `target_ranks` would refuse it; leave such rows out with `target_seen`.
    """
    positions_BX = np.asarray(seen_BX).astype(np.int64) - first_index
    own_BX = positions_BX == np.asarray(target_positions_B)[:, None]
    return np.where((positions_BX < 0) | own_BX, NO_ITEM, positions_BX)


def target_seen(
    seen_BX: NDArray[Any], target_positions_B: ArrayLike, first_index: int = _FIRST_INDEX
) -> NDArray[np.bool_]:
    """bool [B]: whether the target itself was seen, so that no list of unseen items could hold it."""
    found_B: NDArray[np.bool_] = (
        np.asarray(seen_BX).astype(np.int64) - first_index == np.asarray(target_positions_B)[:, None]
    ).any(axis=1)
    return found_B
