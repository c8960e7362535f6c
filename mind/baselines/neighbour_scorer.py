"""Scores from item neighbours: what is similar to what the user touched, more of it to what was touched last.

    score(u, j) = sum over the behaviours i of u of decay^age(i) * similarity(i, j)

where the last behaviour has age 0, the one before it 1, and so on. Numpy only: who evaluates needs no Spark.

Shapes: V items of the catalogue (positions; position = item index - 2), M pairs of an item and its neighbour, B rows,
L history length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mind.baselines import FIRST_ITEM
from mind.tables import names as n


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The neighbours of the item at position v are those from starts[v] to starts[v + 1] (compressed rows)."""

    starts: NDArray[np.int64]
    """[V + 1]"""
    positions_M: NDArray[np.int64]
    similarities_M: NDArray[np.float64]

    @classmethod
    def from_columns(
        cls, item_index_M: ArrayLike, neighbour_index_M: ArrayLike, similarity_M: ArrayLike, catalogue_size: int
    ) -> Neighbours:
        """From the columns of `item_neighbours`, rows in any order.

        Raises ValueError for an index that is no item of the catalogue.
        """
        items, others = np.asarray(item_index_M) - FIRST_ITEM, np.asarray(neighbour_index_M) - FIRST_ITEM
        for positions in (items, others):
            if positions.size and not 0 <= positions.min() <= positions.max() < catalogue_size:
                raise ValueError(
                    f"item indexes go from {positions.min() + FIRST_ITEM} to {positions.max() + FIRST_ITEM}; with "
                    f"{catalogue_size} items they must lie in {FIRST_ITEM} to {catalogue_size + FIRST_ITEM - 1}"
                )
        order = np.lexsort((others, items))
        starts = np.concatenate([[0], np.cumsum(np.bincount(items, minlength=catalogue_size))])
        return cls(
            starts.astype(np.int64), others[order].astype(np.int64), np.asarray(similarity_M, dtype=np.float64)[order]
        )


class NeighbourScorer:
    """Item-CF as the evaluator sees it.

    Args:
        neighbours: of every item.
        recency_decay: weight of a behaviour relative to the one after it, above 0, at most 1.
    """

    def __init__(self, neighbours: Neighbours, recency_decay: float = 0.9) -> None:
        if not 0 < recency_decay <= 1:
            raise ValueError(f"recency_decay is {recency_decay}; it must be above 0 and at most 1")
        self._held, self._decay = neighbours, recency_decay

    def scores(self, batch: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """[B, V]; 0 for what is no neighbour of anything in the history.

        Reads history, int [B, L]: item indexes, oldest first, padded with 0 after the end. An item that the
        catalogue lacks has no neighbours; it still makes what came before it older.
        """
        history_BL = np.asarray(batch[n.HISTORY])
        size = len(self._held.starts) - 1
        rows, places = np.nonzero((history_BL >= FIRST_ITEM) & (history_BL < size + FIRST_ITEM))
        items = history_BL[rows, places].astype(np.int64) - FIRST_ITEM
        last_B = np.count_nonzero(history_BL, axis=1) - 1
        weights = self._decay ** (last_B[rows] - places)
        starts, counts = self._held.starts[items], np.diff(self._held.starts)[items]
        # All stretches of neighbours in one array: their starts, each repeated, plus 0, 1, 2 ... inside each stretch.
        inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        pairs = np.repeat(starts, counts) + inside
        # Added one after the other in the order of the history, so a row's bits do not depend on the rows beside it.
        cells = np.repeat(rows * size, counts) + self._held.positions_M[pairs]
        added = np.repeat(weights, counts) * self._held.similarities_M[pairs]
        sums: NDArray[np.float64] = np.bincount(cells, added, minlength=len(history_BL) * size).astype(np.float64)
        return sums.reshape(len(history_BL), size)
