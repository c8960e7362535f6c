"""The best items of every user: the largest inner product with any of the user's interests.

    score(u, i) = max over k of v_k . e_i        (MIND, equation 3)

Shapes: K interests of one user, V items of the catalogue, D dimensions, M items of one user still in
question, k answers of the index for each interest.

The answer is exact and does not depend on batch, threads or k. The index gives float32 scores whose last
digits vary; they serve only to leave out what provably cannot be among the best n. What stays is scored
again, one pair at a time, in float64 and in a fixed order, rounded to float32, and sorted by (-score, item
id). Where the index has not answered far enough for the proof, it is asked for more, up to the whole
catalogue. (With an index that is not exact there is no proof: the scores are exact, the choice is its.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mind.retrieval.catalogue import Catalogue
from mind.retrieval.index import Index, IndexMismatch
from mind.retrieval.request import Request, request_for

# A user whose proof failed is asked again with this many times as many answers.
_ESCALATION = 4
# Bounds for memory: answers of one search (12 bytes each), items scored at once (16 D bytes each).
_ANSWERS_AT_ONCE = 1 << 23
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

    With an exact index the result has the same bits for any division of the users into batches and any
    number of threads; with another kind the choice of items may depend on who else is in the batch.
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
    return _answer(requests, catalogue, index, n)


def _answer(requests: list[Request], catalogue: Catalogue, index: Index, n: int) -> list[Candidates]:
    allowed_V = np.ones(catalogue.size, dtype=bool)
    results: dict[int, Candidates] = {}
    pending = {user: request.first_k for user, request in enumerate(requests)}
    while pending:
        for users, k in _blocks(requests, pending, catalogue.size):
            asked = [requests[user] for user in users]
            answers = _search(asked, k, catalogue, index, n, allowed_V)
            for user, request, items_M in zip(users, asked, answers, strict=True):
                if items_M is None:
                    pending[user] = k * _ESCALATION
                else:
                    del pending[user]
                    results[user] = _best(items_M, request, catalogue, n)
    return [results[user] for user in range(len(requests))]


def _blocks(requests: list[Request], k_of_user: dict[int, int], size: int) -> list[tuple[list[int], int]]:
    """Users to search together, with the k for all of them: at most twice what the least of them needs."""
    blocks: list[list[int]] = []
    rows = least = 0
    for user, k in sorted(k_of_user.items(), key=lambda entry: entry[1]):
        interests = len(requests[user].interests_KD)
        rows += interests
        if not blocks or k > 2 * least or rows * k > _ANSWERS_AT_ONCE:
            blocks.append([])
            rows, least = interests, k
        blocks[-1].append(user)
    return [(users, min(k_of_user[users[-1]], size)) for users in blocks]


def _search(
    requests: list[Request], k: int, catalogue: Catalogue, index: Index, n: int, allowed_V: NDArray[np.bool_]
) -> Iterator[NDArray[np.int64] | None]:
    """For each request the positions among which the best n are for certain, or None: ask for more."""
    if k == catalogue.size:
        for request in requests:
            yield np.setdiff1d(np.arange(catalogue.size), request.excluded, assume_unique=True)
        return
    scores_Qk, positions_Qk = index.search(np.concatenate([request.interests_KD for request in requests]), k)
    start = 0
    for request in requests:
        rows = slice(start, start + len(request.interests_KD))
        start = rows.stop
        allowed_V[request.excluded] = False
        # Position -1, no answer, reads the last entry and is dropped by its sign.
        usable = allowed_V[positions_Qk[rows]] & (positions_Qk[rows] >= 0)
        allowed_V[request.excluded] = True
        if index.exact:
            yield _proven(scores_Qk[rows], positions_Qk[rows], usable, request.slack_K, n)
        else:
            items_M = np.unique(positions_Qk[rows][usable])
            yield items_M if len(items_M) >= n else None


def _proven(
    scores_Kk: NDArray[np.float32],
    positions_Kk: NDArray[np.int64],
    usable_Kk: NDArray[np.bool_],
    slack_K: NDArray[np.float64],
    n: int,
) -> NDArray[np.int64] | None:
    """What may be among the best n, if no item that the index kept back can be; otherwise None.

    An item is surely at least as good as `low`, and at most as good as `high`. Compared in float32, since
    two scores that differ in float64 only are a tie, decided by the item id.
    """
    scores = scores_Kk.astype(np.float64)
    low = (scores - slack_K[:, None]).astype(np.float32)[usable_Kk]
    high = (scores + slack_K[:, None]).astype(np.float32)[usable_Kk]
    positions = positions_Kk[usable_Kk]
    best_first = np.argsort(-low, kind="stable")
    _, first = np.unique(positions[best_first], return_index=True)
    if len(first) < n:
        return None
    lows_of_items = low[best_first][first]
    nth_best = np.partition(lows_of_items, len(first) - n)[len(first) - n]
    kept_back = (scores[:, -1] + slack_K).astype(np.float32).max()
    if kept_back >= nth_best:
        return None
    items_M: NDArray[np.int64] = np.unique(positions[high >= nth_best])
    return items_M


def _best(items_M: NDArray[np.int64], request: Request, catalogue: Catalogue, n: int) -> Candidates:
    """The best n of items_M (ascending positions), exactly scored."""
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
