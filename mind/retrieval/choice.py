"""Which index serves the night, chosen by size and by the recall that is asked for; and recall, measured.

Shapes: K interests of one user, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from mind.retrieval.candidates import Candidates, top_candidates_batch
from mind.retrieval.catalogue import Catalogue
from mind.retrieval.exact import ExactIndex
from mind.retrieval.hnsw import HnswIndex
from mind.retrieval.index import Index
from mind.retrieval.ivf import IvfIndex

# Tried in this order until the recall is reached: standard deviations, and items in view over those wanted.
_REACHES = {"ivf": (1.0, 1.5, 1.75, 2.0, 2.25, 2.5, 3.0, 3.5, 4.0), "hnsw": (1.0, 2.0, 4.0, 8.0)}
# The users of the night are not those of the sample: a quarter less may be missing than is allowed.
_HEADROOM = 0.25


def recall(found: Candidates, best: Candidates) -> float:
    """Share of the exact list `best` that `found` holds, 0 to 1; 1 where the exact list is empty."""
    if not len(best.positions):
        return 1.0
    return float(np.isin(best.positions, found.positions, assume_unique=True).mean())


def mean_recall(
    index: IvfIndex | HnswIndex,
    interests: Sequence[ArrayLike],
    best: Sequence[Candidates],
    catalogue: Catalogue,
    n: int,
) -> float:
    """Mean over the users of `recall`. interests: for each user float [K, D]; best: the exact lists."""
    found = _lists(interests, catalogue, index, n)
    return float(np.mean([recall(*pair) for pair in zip(found, best, strict=True)]))


def choose(
    catalogue: Catalogue, kind: str, least: float, exact_items: int, sample: Sequence[ArrayLike], n: int
) -> ExactIndex | IvfIndex | HnswIndex:
    """The cheapest index that reaches recall@n `least` on the sample; the exact one where none does.

    kind: exact, ivf, hnsw, or auto: exact for at most `exact_items` items or a recall of 1, otherwise ivf.
    sample: interests of some users, each float [K, D]; without any, the index is exact.
    """
    exact = ExactIndex.build(catalogue)
    small = kind == "auto" and (catalogue.size <= exact_items or least >= 1)
    if kind == "exact" or small or not len(sample):
        return exact
    best = _lists(sample, catalogue, exact, n)
    index = HnswIndex.build(catalogue) if kind == "hnsw" else IvfIndex.build(catalogue)
    for reach in _REACHES[index.kind]:
        index.reach = reach
        if mean_recall(index, sample, best, catalogue, n) >= least + (1 - least) * _HEADROOM:
            return index
    return exact


def _lists(interests: Sequence[ArrayLike], catalogue: Catalogue, index: Index, n: int) -> list[Candidates]:
    names = [f"number {user} of the sample" for user in range(len(interests))]
    return top_candidates_batch(names, interests, [()] * len(interests), catalogue, index, n)
