"""Codes of a night for a model that may be older: what it does not know, it must not look up.

Shapes: B rows, L history length, P profile features. Used by evaluation and by serving, so both see the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

UNKNOWN = 1
PADDING = 0


def known_history(history_BL: NDArray[np.int32], items: int) -> NDArray[np.int32]:
    """Histories without the items that a model of `items` table rows does not know; their order stays."""
    known_BL = (history_BL < items) & (history_BL > UNKNOWN)
    return np.where(known_BL, history_BL, PADDING).astype(np.int32)


def known_profile(profile_BP: NDArray[np.int32], sizes: Sequence[int]) -> NDArray[np.int32]:
    """Profiles whose values the model has a row for; the others become unknown."""
    limit_P = np.asarray(sizes, dtype=np.int32)
    profile_BP = profile_BP[:, : len(limit_P)]
    return np.where(profile_BP < limit_P, profile_BP, UNKNOWN).astype(np.int32)
