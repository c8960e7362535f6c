"""The best items of every user: the largest inner product with any of the user's interests.

    score(u, i) = max over k of v_k . e_i        (MIND, equation 3)

Shapes: K interests of one user, V items of the catalogue, D dimensions, M items of one user in question.

With an exact index the answer is exact and depends on nothing else. The index gives float32 scores whose
last digits vary; they serve only to leave out what provably cannot be among the best n. What stays is scored
again, one pair at a time, in float64 and in a fixed order, rounded to float32, and sorted by (-score, item
id). With another index the choice of what is scored is its own; the scores and their order are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mind.retrieval.catalogue import Catalogue
from mind.retrieval.index import Index, IndexMismatch
from mind.retrieval.request import Request, request_for

# Bound for memory: items scored at once (16 D bytes each).
_ITEMS_AT_ONCE = 1 << 14


@dataclass(frozen=True, eq=False)
class Candidates:
    """The list of one user, best first.

    positions: int64 [n], rows of the catalogue, unique. scores: float32 [n], never rising.
    interest: int32 [n], the number of the interest that gave the score, the smallest on a tie; -1 where
    no interest did (the fallback list).
    """

    positions: NDArray[np.int64]
    scores: NDArray[np.float32]
    interest: NDArray[np.int32]

    def item_ids(self, catalogue_ids: Sequence[str]) -> list[str]:
        """The ids of the items, best first, out of the ids in the order of the catalogue."""
        return [catalogue_ids[position] for position in self.positions.tolist()]


def top_candidates(
    interests_KD: ArrayLike,
    excluded_positions: ArrayLike,
    catalogue: Catalogue,
    index: Index,
    n: int,
    *,
    user_id: str = "(unnamed)",
) -> Candidates:
    """The min(n, V - exclusions) best items of one user. See `top_candidates_batch`."""
    return top_candidates_batch([user_id], [interests_KD], [excluded_positions], catalogue, index, n)[0]


def top_candidates_batch(
    user_ids: Sequence[str],
    interests: Sequence[ArrayLike],
    excluded: Sequence[ArrayLike],
    catalogue: Catalogue,
    index: Index,
    n: int,
) -> list[Candidates]:
    """For each user the min(n, V - exclusions) best items, in the order of user_ids.

    interests: for each user float [K, D], K at least 1 and free to differ from user to user; only active
    interests, as a zero vector is refused. excluded: for each user int [X], positions in the catalogue
    (`Catalogue.known_positions`), in any order, repeated or not, possibly none.

    The result has the same bits for any division of the users into batches and any number of threads.
    Raises IndexMismatch when the index is over another catalogue, and ValueError for n below 1, sequences
    of different lengths, interests of the wrong shape, not finite, zero or of a norm outside SMALLEST_NORM to
    LARGEST_NORM, and exclusions that are no positions; the error names the user.
    """
    if index.fingerprint != catalogue.fingerprint:
        raise IndexMismatch(
            f"the index is over catalogue {index.fingerprint}, the vectors are {catalogue.fingerprint}; "
            "build the index from this catalogue"
        )
    if n < 1:
        raise ValueError(f"n is {n}; ask for at least one candidate")
    if not len(user_ids) == len(interests) == len(excluded):
        raise ValueError(
            f"{len(user_ids)} users, {len(interests)} sets of interests and {len(excluded)} of exclusions; "
            "each user needs one of each"
        )
    requests = [
        request_for(user_id, interests_KD, positions, catalogue, n)
        for user_id, interests_KD, positions in zip(user_ids, interests, excluded, strict=True)
    ]
    return [
        scored(np.setdiff1d(positions, request.excluded, assume_unique=True), request, catalogue, n)
        for positions, request in zip(index.shortlist(requests), requests, strict=True)
    ]


def scored(items_M: NDArray[np.int64], request: Request, catalogue: Catalogue, n: int) -> Candidates:
    """The best n of items_M (ascending positions) for the user, exactly scored under all the interests."""
    scores_M = np.empty(len(items_M), dtype=np.float32)
    interest_M = np.empty(len(items_M), dtype=np.int32)
    queries_KD = request.interests_KD.astype(np.float64)
    for start in range(0, len(items_M), _ITEMS_AT_ONCE):
        part = slice(start, start + _ITEMS_AT_ONCE)
        items_PD = catalogue.vectors_VD[items_M[part]].astype(np.float64)
        # No matrix product: BLAS changes the order of summation with the shape, and the last bit with it.
        # Zero is added since -0.0 equals 0.0 and either could be the maximum; now there is only 0.0.
        scores_KP = np.stack([(items_PD * query_D).sum(axis=-1) for query_D in queries_KD]).astype(np.float32)
        scores_KP += np.float32(0.0)
        interest_M[part] = scores_KP.argmax(axis=0)
        scores_M[part] = scores_KP.max(axis=0)
    # Positions ascend, and with them the item ids, so a stable sort settles ties by item id.
    order = np.argsort(-scores_M, kind="stable")[:n]
    return Candidates(items_M[order], scores_M[order], interest_M[order])
