"""Where a model is good and where it is not: rows grouped by how popular the target is and how long the history.

Shapes: V items of the catalogue, R rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

COLD = 0
"""The group of items that were never chosen in the training days."""
_PARTS = 10


class Part(NamedTuple):
    """The rows of one group: the mean of their values, and how many they are."""

    mean: float
    rows: int


def popularity_deciles(counts_V: ArrayLike, tie_order_V: ArrayLike | None = None) -> NDArray[np.int64]:
    """int64 [V]: 1 for the most chosen tenth of the items with a count, 10 for the least chosen; COLD without one.

    Tenths of items, not of behaviours: the first decile usually holds most behaviours. Items of equal counts are
    divided by the tie order, without one by position. With fewer than ten counted items some deciles are empty.

    Raises ValueError for counts that are not V integers from 0.
    """
    counts = np.asarray(counts_V)
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts.size and counts.min() < 0):
        raise ValueError(f"counts have shape {counts.shape} and type {counts.dtype}; give V integers from 0")
    order_V = np.arange(len(counts)) if tie_order_V is None else np.asarray(tie_order_V)
    best_first = np.lexsort((order_V, -counts.astype(np.int64)))
    known = int(np.count_nonzero(counts))
    deciles_V = np.full(len(counts), COLD, dtype=np.int64)
    deciles_V[best_first[:known]] = 1 + np.arange(known) * _PARTS // max(known, 1)
    return deciles_V


def length_buckets(lengths_R: ArrayLike) -> NDArray[np.int64]:
    """int64 [R]: 1, 2, 4, 8 ...: the greatest power of two that a history is long; so K' (equation 9) is one a bucket.

    Raises ValueError for a length below 1 or one that is no integer.
    """
    lengths = np.asarray(lengths_R)
    if lengths.dtype.kind not in "iu" or (lengths.size and lengths.min() < 1):
        raise ValueError(f"lengths have type {lengths.dtype} and begin at {lengths.min()}; give integers from 1")
    _, exponents_R = np.frexp(lengths.astype(np.float64))
    return np.left_shift(np.int64(1), exponents_R.astype(np.int64) - 1)


def breakdown(values_R: ArrayLike, groups_R: ArrayLike) -> dict[int, Part]:
    """Mean and rows of each group that occurs, by its number, ascending.

    Raises ValueError for values and groups of different lengths.
    """
    values, groups = np.asarray(values_R, dtype=np.float64), np.asarray(groups_R)
    if values.ndim != 1 or values.shape != groups.shape:
        raise ValueError(f"values have shape {values.shape}, groups {groups.shape}; both need the same rows, [R]")
    names, of_row = np.unique(groups, return_inverse=True)
    sums, rows = np.bincount(of_row, values), np.bincount(of_row)
    return {int(name): Part(float(sums[place] / rows[place]), int(rows[place])) for place, name in enumerate(names)}
