"""The list for users without a history: what most behaviours went to.

Shapes: V items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mind.retrieval.candidates import Candidates

NO_INTEREST = -1


@dataclass(frozen=True, eq=False)
class Popularity:
    """Items by (-count, item id). Build it once, with `from_counts`, and take a list for each user.

    positions_V: int64, rows of the ids that it was built from. shares_V: float32, share of all behaviours.
    """

    positions_V: NDArray[np.int64]
    shares_V: NDArray[np.float32]

    @classmethod
    def from_counts(cls, item_ids: Sequence[str], counts: ArrayLike) -> Popularity:
        """item_ids: V unique strings in any order; counts: int [V], behaviours of each item, zero allowed.

        Raises ValueError for an id named twice, or for counts that are not V integers from zero on.
        """
        ids = list(item_ids)
        counts_V = np.asarray(counts)
        if counts_V.shape != (len(ids),) or (ids and counts_V.dtype.kind not in "iu"):
            raise ValueError(
                f"counts have shape {counts_V.shape} and type {counts_V.dtype}; "
                f"give one integer for each of the {len(ids)} items"
            )
        if ids and counts_V.min() < 0:
            place = int(counts_V.argmin())
            raise ValueError(f"item {ids[place]!r} has count {counts_V[place]}; counts start at zero")
        by_id = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)
        for before, after in zip(by_id[:-1].tolist(), by_id[1:].tolist(), strict=True):
            if ids[before] == ids[after]:
                raise ValueError(f"item id {ids[after]!r} is there twice; add up its counts first")
        order = by_id[np.argsort(-counts_V[by_id].astype(np.int64), kind="stable")]
        total = max(1, sum(counts_V.tolist()))
        return cls(order, (counts_V[order] / total).astype(np.float32))

    def candidates(self, excluded: ArrayLike, n: int) -> Candidates:
        """The min(n, V - exclusions) most popular items that are not excluded.

        excluded: int [X], positions, in any order, repeated or not. The score is the item's share of all
        behaviours, the interest is -1. Raises ValueError for n below 1 or exclusions that are no positions.
        """
        if n < 1:
            raise ValueError(f"n is {n}; ask for at least one candidate")
        positions = np.unique(np.asarray(excluded))
        size = len(self.positions_V)
        if positions.size and not (positions.dtype.kind in "iu" and 0 <= positions[0] <= positions[-1] < size):
            raise ValueError(f"exclusions are {positions}; they must be positions, integers from 0 to {size - 1}")
        # Each exclusion costs at most one place, so no more of the list need be looked at.
        head = self.positions_V[: n + len(positions)]
        places = np.flatnonzero(~np.isin(head, positions))[:n]
        return Candidates(head[places], self.shares_V[places], np.full(len(places), NO_INTEREST, dtype=np.int32))


def popular_candidates(item_ids: Sequence[str], counts: ArrayLike, excluded: ArrayLike, n: int) -> Candidates:
    """The list of one user straight from counts; positions are rows of item_ids. See `Popularity`."""
    return Popularity.from_counts(item_ids, counts).candidates(excluded, n)
