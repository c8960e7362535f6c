"""Users side by side, so that one matrix product scores many of them.

Shapes: U users of the crowd, h_k of them with more than k interests, D dimensions, B items of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HELD_FOR_EACH_WANTED = 3

_Ints = NDArray[np.integer[Any]]


class Crowd:
    """Users by falling number of interests: those with more than k of them are the first h_k.

    order_U: the place of each user in the sequence that came. rows: for each k float32 [h_k, D]; all_rows:
    the same one after the other.
    """

    def __init__(self, interests: Sequence[NDArray[np.float32]]) -> None:
        counts = np.array([len(one) for one in interests])
        self.order_U: NDArray[np.int64] = np.argsort(-counts, kind="stable")
        self.size = len(interests)
        having = [int((counts > k).sum()) for k in range(counts.max())]
        self.rows = [np.stack([interests[user][k] for user in self.order_U[:h]]) for k, h in enumerate(having)]
        self.all_rows = np.concatenate(self.rows)

    def best(self, items_BD: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [U, B]: max over the interests of each user, the last digits as BLAS gives them."""
        scores = self.all_rows @ items_BD.T
        best_UB: NDArray[np.float32] = scores[: self.size]
        start = self.size
        for rows in self.rows[1:]:
            np.maximum(best_UB[: len(rows)], scores[start : start + len(rows)], out=best_UB[: len(rows)])
            start += len(rows)
        return best_UB


class Survivors:
    """Items that may still be among the best of each user, and the score below which none can be.

    wanted_U: how many items each user needs. slack_U: float64, how far below the wanted-th best score an item
    may lie and still count. cut_U: float32, the score that an item must reach by now; minus infinity until as
    many as are wanted have been seen. An item must come once for each user at most.
    """

    def __init__(self, wanted_U: NDArray[np.int64], slack_U: NDArray[np.float64]) -> None:
        self.wanted_U, self.slack_U = wanted_U, slack_U
        self.cut_U = np.full(len(wanted_U), -np.inf, dtype=np.float32)
        self._parts: list[tuple[_Ints, _Ints, NDArray[np.float32]]] = []
        self._held = 0

    def add(self, users: _Ints, places: _Ints, scores: NDArray[np.float32]) -> None:
        """Take up items (three arrays of one length); tightens the cuts when much has come together."""
        if len(users):
            self._parts.append((users.astype(np.uint16), places.astype(np.int32), scores))
            self._held += len(users)
            if self._held > _HELD_FOR_EACH_WANTED * int(self.wanted_U.sum()):
                self.tighten()

    def tighten(self) -> None:
        """Raise the cuts to what has been seen, and drop what lies below."""
        if not self._parts:
            return
        users, places, scores = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        # A stable sort of 16 bits is a radix sort; a crowd never has more users than that.
        order = np.argsort(users, kind="stable")
        users, places, scores = users[order], places[order], scores[order]
        keep = np.ones(len(users), dtype=bool)
        start = 0
        for user, end in enumerate(self._ends(users).tolist()):
            own, wanted = scores[start:end], int(self.wanted_U[user])
            if len(own) >= wanted:
                last = float(np.partition(own, len(own) - wanted)[len(own) - wanted])
                self.cut_U[user] = max(self.cut_U[user], below(last - self.slack_U[user]))
                keep[start:end] = own >= self.cut_U[user]
            start = end
        self._parts = [(users[keep], places[keep], scores[keep])]
        self._held = int(keep.sum())

    def places(self) -> list[_Ints]:
        """What is left for each user, in no stated order."""
        self.tighten()
        if not self._parts:
            return [np.empty(0, dtype=np.int32) for _ in self.wanted_U]
        users, places, _ = self._parts[0]
        return np.split(places, self._ends(users)[:-1])

    def _ends(self, users: _Ints) -> NDArray[np.int64]:
        return np.cumsum(np.bincount(users, minlength=len(self.wanted_U)))


def below(score: float) -> np.float32:
    """The cut that an item of this score, or of one so near that rounding decides, still reaches."""
    # Two steps of float32 lower: scores that differ by one may round to a tie, and rounding must not lift a cut.
    cut: np.float32 = np.nextafter(np.float32(score - abs(score) * 2.0**-22), np.float32(-np.inf))
    return cut
