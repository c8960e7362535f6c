"""The exact index: every item against every user, in blocks, with a cut that rises from block to block.

Shapes: U users searched together, V items, B items of a block, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mind.retrieval.catalogue import Catalogue
from mind.retrieval.crowd import Crowd, Survivors
from mind.retrieval.request import Request

# One product of so many interests with so many items: its result, 6 MB, stays in the processor's cache.
_INTERESTS_AT_ONCE = 384
_ITEMS_AT_ONCE = 4096
# Items held for all users of a crowd together are at most some times this many, 12 bytes each.
_WANTED_AT_ONCE = 1 << 20


class ExactIndex:
    """A batched matrix product (float32) over the catalogue's own vectors; nothing is copied.

    What it leaves out is proven: a user's wanted-th best score among the items seen so far is a bound for
    the wanted-th best of all, and an item whose score lies below it by more than the rounding of both can
    never be among the best. Memory beside the catalogue: about 16 bytes for each of
    `_INTERESTS_AT_ONCE` x `_ITEMS_AT_ONCE` scores. The vectors are read block by block, so they may be
    mapped from a file larger than memory.
    """

    kind = "exact"
    exact = True

    def __init__(self, catalogue: Catalogue) -> None:
        self.fingerprint = catalogue.fingerprint
        self._vectors_VD = catalogue.vectors_VD

    @classmethod
    def build(cls, catalogue: Catalogue) -> ExactIndex:
        """An index over the vectors of the catalogue."""
        return cls(catalogue)

    def shortlist(self, requests: Sequence[Request]) -> list[NDArray[np.int64]]:
        """See `mind.retrieval.index.Index.shortlist`; the best `wanted` of each user are there for certain."""
        found: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)] * len(requests)
        by_interests = sorted(range(len(requests)), key=lambda user: -len(requests[user].interests_KD))
        while by_interests:
            most = len(requests[by_interests[0]].interests_KD)
            wanted = max(request.wanted for request in requests)
            together = by_interests[: max(1, min(_INTERESTS_AT_ONCE // most, _WANTED_AT_ONCE // wanted))]
            del by_interests[: len(together)]
            for user, positions in zip(together, self._search([requests[user] for user in together]), strict=True):
                found[user] = positions
        return found

    def _search(self, requests: list[Request]) -> list[NDArray[np.int64]]:
        crowd = Crowd([request.interests_KD for request in requests])
        ordered = [requests[user] for user in crowd.order_U]
        wanted_U = np.array([request.wanted for request in ordered])
        # A score is off by at most slack, on either side of the comparison.
        survivors = Survivors(wanted_U, np.array([2 * request.slack for request in ordered]))
        for start in range(0, len(self._vectors_VD), _ITEMS_AT_ONCE):
            best_UB = crowd.best(self._vectors_VD[start : start + _ITEMS_AT_ONCE])
            hits = np.flatnonzero(best_UB >= survivors.cut_U[:, None])
            users, items = np.divmod(hits, best_UB.shape[1])
            survivors.add(users, items + start, best_UB.ravel()[hits])
        found = [np.empty(0, dtype=np.int64)] * len(requests)
        for user, positions in zip(crowd.order_U, survivors.places(), strict=True):
            found[user] = np.sort(positions).astype(np.int64)
        return found
