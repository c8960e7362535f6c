"""A list chosen for more than its scores: a share kept for every interest, and fewer items of one category.

Both are off by default; then a list is the best n. Shapes: K interests of one user, V items of the catalogue, P items
of the pool from which one list is chosen. (Neither is in the MIND paper.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mind.retrieval.candidates import Candidates, scored, top_candidates_batch
from mind.retrieval.catalogue import Catalogue
from mind.retrieval.index import Index
from mind.retrieval.request import Request, request_for

_OVER_FETCH, _ESCALATION = 2, 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """How lists are chosen.

    interest_share: this share of n is divided equally among a user's interests; each keeps its best items up to that
    number, before the rest is filled. 0: none. diversity: lambda of ComiRec's controllable aggregation (Cen et al.,
    KDD 2020, equation 7), in units of the score. 0: none. pool: the list is chosen among pool x n best items.
    categories_V: int [V], the category of each item, in the order of the catalogue; needed with diversity.
    """

    interest_share: float = 0.0
    diversity: float = 0.0
    pool: int = 1
    categories_V: NDArray[np.int32] | None = None

    @property
    def is_plain(self) -> bool:
        """True if the best n are chosen."""
        return not self.interest_share and not self.diversity

    def kept(self, n: int, interests: int) -> int:
        """Items that each interest keeps in a list of n."""
        return int(self.interest_share * n + 1e-9) // interests


def selected_batch(
    user_ids: Sequence[str],
    interests: Sequence[ArrayLike],
    excluded: Sequence[ArrayLike],
    catalogue: Catalogue,
    index: Index,
    n: int,
    selection: Selection,
) -> list[Candidates]:
    """`top_candidates_batch` with a selection: for each user the min(n, V - exclusions) items that it chooses.

    Raises what `top_candidates_batch` raises, and ValueError for a diversity without a category for every item.
    """
    if selection.is_plain:
        return top_candidates_batch(user_ids, interests, excluded, catalogue, index, n)
    categories_V = selection.categories_V
    if selection.diversity and (categories_V is None or categories_V.shape != (catalogue.size,)):
        raise ValueError(f"diversity {selection.diversity:g} needs a category for each of the {catalogue.size} items")
    wanted = n * (selection.pool if selection.diversity else 1)
    pools = top_candidates_batch(user_ids, interests, excluded, catalogue, index, wanted)
    if selection.interest_share:
        requests = [
            request_for(user_id, interests_KD, positions, catalogue, n)
            for user_id, interests_KD, positions in zip(user_ids, interests, excluded, strict=True)
        ]
        pools = _with_every_interest(pools, requests, catalogue, index, n, selection)
    return [
        chosen(pool, n, selection.kept(n, len(np.asarray(interests_KD))), selection)
        for pool, interests_KD in zip(pools, interests, strict=True)
    ]


def chosen(pool: Candidates, n: int, kept: int, selection: Selection) -> Candidates:
    """At most n items of the pool, in its order: the best `kept` of each interest, then by ComiRec's greedy choice.

    The greedy choice adds the item with the largest score + lambda x (items chosen so far of other categories). With r
    items of its own category chosen before, that is score + lambda (chosen - r), and `chosen` is the same for all. So
    a category gives its items in order of their scores, and the r-th of them is worth score - lambda r: one sort by
    that value is the greedy choice.
    """
    worth_P = pool.scores.astype(np.float64)
    if selection.diversity and selection.categories_V is not None:
        worth_P -= selection.diversity * _rank_within(selection.categories_V[pool.positions])
    later_P = _rank_within(pool.interest) >= kept
    # Ties by the place in the pool, which is by score, then by item id.
    order = np.lexsort((np.arange(len(worth_P)), -worth_P, later_P))
    places = np.sort(order[:n])
    return Candidates(pool.positions[places], pool.scores[places], pool.interest[places])


def _rank_within(groups_P: NDArray[np.int32]) -> NDArray[np.int64]:
    """How many items of the same group come before each."""
    order = np.argsort(groups_P, kind="stable")
    ordered = groups_P[order]
    heads = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    rank_P = np.empty(len(ordered), dtype=np.int64)
    rank_P[order] = np.arange(len(ordered)) - np.repeat(heads, np.diff(np.append(heads, len(ordered))))
    return rank_P


def _with_every_interest(
    pools: list[Candidates],
    requests: list[Request],
    catalogue: Catalogue,
    index: Index,
    n: int,
    selection: Selection,
) -> list[Candidates]:
    """The pools, with the best items of those interests that have too few in them.

    An interest is searched alone for more and more items, until enough of them are its own (none of the user's other
    interests scores them higher) or the catalogue is exhausted.
    """
    more: dict[int, list[NDArray[np.int64]]] = {}
    pending = []
    for user, (pool, request) in enumerate(zip(pools, requests, strict=True)):
        kept = selection.kept(n, len(request.interests_KD))
        held = np.bincount(pool.interest, minlength=len(request.interests_KD))
        pending += [(user, interest, kept) for interest in np.flatnonzero(held < kept).tolist()]
    times = _OVER_FETCH
    while pending:
        alone = [
            request_for(
                f"number {user}",
                requests[user].interests_KD[interest : interest + 1],
                requests[user].excluded,
                catalogue,
                times * kept,
            )
            for user, interest, kept in pending
        ]
        left = []
        for (user, interest, kept), one, positions in zip(pending, alone, index.shortlist(alone), strict=True):
            items = np.setdiff1d(positions, one.excluded, assume_unique=True)
            found = scored(items, requests[user], catalogue, len(items))
            own = found.positions[found.interest == interest][:kept]
            if len(own) == kept or one.wanted == catalogue.size:
                more.setdefault(user, []).append(own)
            else:
                left.append((user, interest, kept))
        pending, times = left, times * _ESCALATION
    for user, parts in more.items():
        items = np.unique(np.concatenate([pools[user].positions, *parts]))
        pools[user] = scored(items, requests[user], catalogue, len(items))
    return pools
