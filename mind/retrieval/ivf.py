"""An inverted file that a batch of users searches together, each list read once for all who need it.

Shapes: U users, V items, D dimensions, C clusters, S lists, B items of a list, T pairs of a list and a user,
P triples of a list, a user and one of the user's interests.

Items of one direction are a cluster, cut by falling norm into lists. For a user and a list, what the best
item may reach with an interest q is estimated:

    top norm of the list x (a d . q + reach sqrt((1 - a^2) / (D - 1)) |q|)

with d the direction, a the mean cosine of its items to d, and their rest taken for normally spread. Lists
are read in falling order of that, by the interests for which it is above the user's wanted-th best score so
far. `reach`, in standard deviations, trades time for recall; `mind.retrieval.choice` chooses it by measurement.

Items are bytes with one scale a list, queries whole numbers, so every product is exact in float32 and the
answer is the same for any batch, order and number of threads. (This scheme is not in the paper.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mind.retrieval.catalogue import Catalogue
from mind.retrieval.clusters import in_bytes, query_levels
from mind.retrieval.crowd import Crowd, Survivors
from mind.retrieval.lists import Arrays, build_lists, list_bytes
from mind.retrieval.request import Request

# Lists are read in three rounds, best hopes first: as many as would hold so many times the wanted items, then the rest.
# More rounds raise a user's cut sooner, but each costs a look at all lists.
_ROUNDS = (8, 64)
# Kept beyond the wanted, since scores of bytes are a little off: one in so many, and some.
_SPARE_SHARE, _SPARE = 8, 16
# Bound for memory: users times lists at once, 4 bytes each, several times over.
_PAIRS_AT_ONCE = 1 << 24
_USERS_AT_ONCE = 2048

_Ints = NDArray[np.integer[Any]]


class IvfIndex:
    """Lists of items by direction and norm. Memory beside the catalogue: D + 8 bytes an item.

    arrays: see `mind.retrieval.lists.build_lists`. reach: standard deviations, see above.
    """

    kind = "ivf"
    exact = False
    PARTS = ("order", "starts", "cluster", "directions", "cosines", "bytes", "steps", "tops")

    def __init__(self, arrays: Arrays, fingerprint: str, reach: float) -> None:
        self.arrays, self.fingerprint, self.reach = arrays, fingerprint, reach
        # As bytes too: then float32 holds their products with a query exactly, as it does those of items.
        self.whole_CD = in_bytes(arrays["directions"].astype(np.float32)).astype(np.float32)
        cosines = arrays["cosines"]
        lengths = np.sqrt(np.square(self.whole_CD).sum(axis=1))
        self._along_C1 = (cosines / np.where(lengths > 0, lengths, 1)).astype(np.float32)[:, None]
        spread = np.sqrt(np.maximum(1 - cosines**2, 0) / max(1, self.whole_CD.shape[1] - 1))
        self._across_C1 = spread.astype(np.float32)[:, None]

    @classmethod
    def build(cls, catalogue: Catalogue, reach: float = 2.0, clusters: int | None = None) -> IvfIndex:
        """Clusters the catalogue; `clusters`: about how many directions, by default `default_clusters`."""
        return cls(build_lists(catalogue, clusters), catalogue.fingerprint, reach)

    def belongs(self, catalogue: Catalogue) -> bool:
        """True if the bytes are those of the catalogue's vectors, every item once."""
        order_V, starts, bytes_VD = (self.arrays[part] for part in ("order", "starts", "bytes"))
        if order_V.shape != (catalogue.size,) or bytes_VD.shape != catalogue.vectors_VD.shape:
            return False
        whole_order = np.array_equal(np.sort(order_V), np.arange(catalogue.size))
        if not whole_order or starts[0] != 0 or starts[-1] != catalogue.size or not (np.diff(starts) > 0).all():
            return False
        steps, again = list_bytes(catalogue, order_V, starts)
        return np.array_equal(steps, self.arrays["steps"]) and np.array_equal(again, bytes_VD)

    def shortlist(self, requests: Sequence[Request]) -> list[NDArray[np.int64]]:
        """See `mind.retrieval.index.Index.shortlist`."""
        at_once = max(1, min(_USERS_AT_ONCE, _PAIRS_AT_ONCE // len(self.arrays["cluster"])))
        found: list[NDArray[np.int64]] = []
        for start in range(0, len(requests), at_once):
            found += self._search(requests[start : start + at_once])
        return found

    def _search(self, requests: Sequence[Request]) -> list[NDArray[np.int64]]:
        levels = query_levels(self.whole_CD.shape[1])
        crowd = Crowd([in_whole_numbers(request.interests_KD, levels) for request in requests])
        hopes = [self.hopes(self.whole_CD @ queries.T, queries) for queries in crowd.rows]
        best_CU = hopes[0].copy()
        for hope in hopes[1:]:
            np.maximum(best_CU[:, : hope.shape[1]], hope, out=best_CU[:, : hope.shape[1]])
        best_SU = best_CU[self.arrays["cluster"]] * self.arrays["tops"][:, None]
        wanted_U = np.array([requests[user].wanted for user in crowd.order_U])
        size, lists = len(self.arrays["order"]), len(best_SU)
        survivors = Survivors(kept(wanted_U, size), np.zeros(crowd.size))
        above_U = np.full(crowd.size, np.inf, dtype=np.float32)
        for floor_U in _floors(best_SU, wanted_U * (lists / size)):
            low_U = np.maximum(floor_U, survivors.cut_U)
            list_T, user_T = np.divmod(np.flatnonzero((best_SU >= low_U) & (best_SU < above_U)), crowd.size)
            place_P, query_P = self._pairs(list_T, user_T, hopes, survivors.cut_U)
            self._read(list_T[place_P], user_T[place_P], query_P, crowd, survivors)
            survivors.tighten()
            above_U = floor_U
        found = [np.empty(0, dtype=np.int64)] * crowd.size
        for user, places in zip(crowd.order_U, survivors.places(), strict=True):
            found[user] = np.sort(self.arrays["order"][places]).astype(np.int64)
        return found

    def hopes(self, products_CQ: NDArray[np.float32], queries_QD: NDArray[np.float32]) -> NDArray[np.float32]:
        """What an item of top norm 1 may reach with each query in whole numbers, from the queries' products with the
        directions as bytes: float32 [C, Q].
        """
        lengths = np.sqrt(np.square(queries_QD.astype(np.float64)).sum(axis=1)).astype(np.float32)
        hopes_CQ: NDArray[np.float32] = products_CQ * self._along_C1
        hopes_CQ += self._across_C1 * (np.float32(self.reach) * lengths)
        return hopes_CQ

    def _pairs(
        self, list_T: _Ints, user_T: _Ints, hopes: list[NDArray[np.float32]], cut_U: NDArray[np.float32]
    ) -> tuple[_Ints, _Ints]:
        """Which interests of its user read each list: places in list_T, ascending, and rows of the crowd."""
        cluster_T, top_T = self.arrays["cluster"][list_T], self.arrays["tops"][list_T]
        places, queries = [], []
        before = 0
        for hope in hopes:
            having = np.flatnonzero(user_T < hope.shape[1])
            users = user_T[having]
            enough = hope[cluster_T[having], users] * top_T[having] >= cut_U[users]
            places.append(having[enough])
            queries.append(users[enough] + before)
            before += hope.shape[1]
        place_P, query_P = np.concatenate(places), np.concatenate(queries)
        order = np.argsort(place_P, kind="stable")
        return place_P[order], query_P[order]

    def _read(self, list_P: _Ints, user_P: _Ints, query_P: _Ints, crowd: Crowd, survivors: Survivors) -> None:
        """Each list once, for all the users who need it."""
        ends = np.searchsorted(list_P, np.arange(len(self.arrays["cluster"]) + 1))
        starts, steps, bytes_VD = (self.arrays[part] for part in ("starts", "steps", "bytes"))
        # Where a pair of a list and a user begins; the user's other interests that read the list follow.
        first_P = (np.diff(list_P, prepend=-1) != 0) | (np.diff(user_P, prepend=-1) != 0)
        for number in np.flatnonzero(np.diff(ends)).tolist():
            pairs = slice(ends[number], ends[number + 1])
            first, end, step = starts[number], starts[number + 1], steps[number]
            users = user_P[pairs]
            whole_UB = crowd.all_rows[query_P[pairs]] @ bytes_VD[first:end].astype(np.float32).T
            heads = np.flatnonzero(first_P[pairs])
            if len(heads) < len(users):
                users, whole_UB = users[heads], np.maximum.reduceat(whole_UB, heads, axis=0)
            hits = np.flatnonzero(whole_UB >= (survivors.cut_U[users] / step)[:, None])
            if len(hits):
                rows, items = np.divmod(hits, end - first)
                survivors.add(users[rows], items + first, whole_UB.ravel()[hits] * step)


def kept(wanted_U: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """How many items of the best scores in whole numbers hold the wanted ones of each user."""
    return np.minimum(size, wanted_U + wanted_U // _SPARE_SHARE + _SPARE)


def in_whole_numbers(interests_KD: NDArray[np.float32], levels: int) -> NDArray[np.float32]:
    """A user's interests on one scale, rounded: no value is beyond `levels`."""
    rounded: NDArray[np.float32] = np.rint(interests_KD * (np.float32(levels) / np.abs(interests_KD).max()))
    return rounded


def _floors(hopes_SU: NDArray[np.float32], lists_wanted_U: NDArray[np.float64]) -> list[NDArray[np.float32]]:
    """For each round the hope down to which lists are read, if the user's cut is not above it."""
    lists, users = hopes_SU.shape
    hopes_US = np.ascontiguousarray(hopes_SU.T)
    floors_RU = np.empty((len(_ROUNDS), users), dtype=np.float32)
    # Powers of two, so that users with more and with fewer exclusions are looked at together.
    step_U = np.ceil(np.log2(np.maximum(1, _ROUNDS[0] * lists_wanted_U))).astype(np.int64)
    for step in np.unique(step_U).tolist():
        same = np.flatnonzero(step_U == step)
        ranks = [max(0, lists - 2**step * times // _ROUNDS[0]) for times in _ROUNDS]
        floors_RU[:, same] = np.partition(hopes_US[same], ranks, axis=1)[:, ranks].T
    return [*floors_RU, np.full(users, -np.inf, dtype=np.float32)]
