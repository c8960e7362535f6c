"""The rank of the held-out item among all items that could have been recommended, and the first n of them.

Shapes: B rows, V items of the catalogue, X places for exclusions, N places of a list.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Fills the rows of an array of exclusions that have fewer than the longest.
NO_ITEM = -1


def target_ranks(
    scores_BV: NDArray[Any],
    target_positions_B: ArrayLike,
    tie_order_V: ArrayLike | None = None,
    excluded_BX: ArrayLike | None = None,
) -> NDArray[np.int64]:
    """Ranks of the targets, int64 [B], from 1.

    rank = 1 + items with a higher score + items with an equal score that come earlier in the tie order

    scores_BV: real numbers; minus infinity is allowed, NaN is not. target_positions_B: int [B].
    tie_order_V: a place from 0 to V - 1 for each item, by item id; without it the positions are that order,
    as they are in a catalogue sorted by item id. excluded_BX: int [B, X], items that do not compete in a
    row, padded with NO_ITEM (-1), repeats allowed.

    Raises ValueError for a wrong shape or type, for NaN, for a position outside 0 to V - 1, for a tie order
    that is no permutation, and for a target that is excluded in its own row; the row is named.
    """
    scores_BV = np.asarray(scores_BV)
    if scores_BV.ndim != 2 or scores_BV.dtype.kind not in "fiu" or scores_BV.shape[1] < 1:
        raise ValueError(
            f"scores have shape {scores_BV.shape} and type {scores_BV.dtype}; give numbers [B, V], V from 1"
        )
    rows, size = scores_BV.shape
    targets_B = _integers("target positions", target_positions_B, (rows,))
    _refuse_rows("has a target outside the catalogue", (targets_B < 0) | (targets_B >= size), targets_B)
    _refuse_rows("has NaN among its scores", np.isnan(scores_BV).any(axis=1), targets_B)
    order_V = _order(tie_order_V, size)

    target_scores_B1 = scores_BV[np.arange(rows), targets_B][:, None]
    ahead_BV = scores_BV == target_scores_B1
    ahead_BV &= order_V[None, :] < order_V[targets_B][:, None]
    ahead_BV |= scores_BV > target_scores_B1
    if excluded_BX is not None:
        _remove(ahead_BV, excluded_BX, targets_B)
    ranks_B: NDArray[np.int64] = 1 + ahead_BV.sum(axis=1, dtype=np.int64)
    return ranks_B


def top_lists(
    scores_BV: NDArray[Any], n: int, tie_order_V: ArrayLike | None = None, excluded_BX: ArrayLike | None = None
) -> NDArray[np.int64]:
    """The n items before which no other ranks, best first: int64 [B, n], ties and exclusions as in `target_ranks`.

    scores_BV: real numbers, no NaN. A row with fewer than n items left ends in NO_ITEM; an item with a score of minus
    infinity is never listed.

    Raises ValueError for n below 1, and what `target_ranks` raises for scores, tie order and exclusions.
    """
    if n < 1:
        raise ValueError(f"n is {n}; a list needs at least one place")
    rows, size = scores_BV.shape
    # Columns in the order of ties: of equal scores the one further left is the better.
    column_item_V = np.argsort(_order(tie_order_V, size))
    scores_BC = np.take(scores_BV, column_item_V, axis=1).astype(np.result_type(scores_BV, np.float32), copy=False)
    if excluded_BX is not None:
        excluded = _exclusions(excluded_BX, rows, size)
        row, place = np.nonzero(excluded != NO_ITEM)
        scores_BC[row, np.argsort(column_item_V)[excluded[row, place]]] = -np.inf
    columns_BN = _best_columns(scores_BC, min(n, size))
    found_BN = np.take_along_axis(scores_BC, columns_BN, axis=1)
    best_first_BN = np.argsort(-found_BN, axis=1, kind="stable")
    lists_BN = np.full((rows, n), NO_ITEM, dtype=np.int64)
    lists_BN[:, : columns_BN.shape[1]] = np.where(
        np.take_along_axis(found_BN, best_first_BN, axis=1) == -np.inf,
        NO_ITEM,
        column_item_V[np.take_along_axis(columns_BN, best_first_BN, axis=1)],
    )
    return lists_BN


def _best_columns(scores_BC: NDArray[Any], n: int) -> NDArray[np.int64]:
    """The n columns of each row with the highest scores, ascending; of equal scores those further left."""
    rows, size = scores_BC.shape
    last_B1 = np.partition(scores_BC, size - n, axis=1)[:, size - n][:, None]
    chosen_BC = scores_BC >= last_B1
    too_many_B = np.count_nonzero(chosen_BC, axis=1) - n
    for row in np.flatnonzero(too_many_B):
        level = np.flatnonzero(scores_BC[row] == last_B1[row])
        chosen_BC[row, level[len(level) - too_many_B[row] :]] = False
    return np.flatnonzero(chosen_BC).reshape(rows, n) % size


def _order(tie_order_V: ArrayLike | None, size: int) -> NDArray[np.int64]:
    if tie_order_V is None:
        return np.arange(size)
    order_V = _integers("the tie order", tie_order_V, (size,))
    if not np.array_equal(np.sort(order_V), np.arange(size)):
        raise ValueError(f"the tie order is no permutation of 0 to {size - 1}; give each item its own place")
    return order_V


def _remove(ahead_BV: NDArray[np.bool_], excluded: ArrayLike, targets_B: NDArray[np.int64]) -> None:
    excluded_BX = _exclusions(excluded, *ahead_BV.shape)
    own_B = (excluded_BX == targets_B[:, None]).any(axis=1)
    _refuse_rows("excludes its own target, so take it out of the exclusions or leave out the row", own_B, targets_B)
    row, place = np.nonzero(excluded_BX != NO_ITEM)
    ahead_BV[row, excluded_BX[row, place]] = False


def _exclusions(excluded: ArrayLike, rows: int, size: int) -> NDArray[np.int64]:
    excluded_BX = np.asarray(excluded)
    if excluded_BX.ndim != 2:
        raise ValueError(f"exclusions have shape {excluded_BX.shape}; they must be [{rows}, X], padded with -1")
    excluded_BX = _integers("exclusions", excluded_BX, (rows, excluded_BX.shape[1]))
    wrong_B = ((excluded_BX < NO_ITEM) | (excluded_BX >= size)).any(axis=1)
    if wrong_B.any():
        raise ValueError(
            f"row {int(wrong_B.argmax())} has an exclusion outside the catalogue of {size} items; "
            f"{int(wrong_B.sum())} rows in all"
        )
    return excluded_BX


def _integers(what: str, values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.shape != shape or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{what}: shape {array.shape} and type {array.dtype}; give integers {list(shape)}")
    return array.astype(np.int64)


def _refuse_rows(fault: str, wrong_B: NDArray[np.bool_], targets_B: NDArray[np.int64]) -> None:
    if wrong_B.any():
        row = int(wrong_B.argmax())
        raise ValueError(f"row {row} (target {targets_B[row]}) {fault}; {int(wrong_B.sum())} rows in all")
