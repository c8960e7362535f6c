"""Metrics of one held-out item a row, from its rank: hit rate, NDCG, reciprocal rank.

Shapes: B rows. n is a cutoff: only the first n places of a list count.
The values of single rows are there for comparisons in pairs (`mind.evaluation.bootstrap`).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray


def hit_values(ranks_B: ArrayLike, n: int) -> NDArray[np.float64]:
    """[B]: 1 where the target is among the first n, otherwise 0. Raises ValueError, see `hit_rate`."""
    ranks = _ranks(ranks_B, n)
    return (ranks <= n).astype(np.float64)


def ndcg_values(ranks_B: ArrayLike, n: int) -> NDArray[np.float64]:
    """[B]: 1 / log2(1 + rank) where rank <= n, otherwise 0; the ideal of a single target is 1."""
    ranks = _ranks(ranks_B, n)
    return np.where(ranks <= n, 1.0 / np.log2(1.0 + ranks), 0.0)


def mrr_values(ranks_B: ArrayLike, n: int) -> NDArray[np.float64]:
    """[B]: 1 / rank where rank <= n, otherwise 0."""
    ranks = _ranks(ranks_B, n)
    return np.where(ranks <= n, 1.0 / ranks, 0.0)


def hit_rate(ranks_B: ArrayLike, n: int) -> float:
    """Share of rows whose target is among the first n, from 0 to 1.

    ranks_B: int [B], B at least 1, ranks from 1. Raises ValueError for anything else, or for n below 1.
    """
    return float(hit_values(ranks_B, n).mean())


def recall(ranks_B: ArrayLike, n: int) -> float:
    """Share of the relevant items found: with one target a row the same number as `hit_rate`.

    For users with several relevant items see `mind.evaluation.recommended_lists.list_recall`.
    """
    return hit_rate(ranks_B, n)


def ndcg(ranks_B: ArrayLike, n: int) -> float:
    """Mean of `ndcg_values`, from 0 to 1."""
    return float(ndcg_values(ranks_B, n).mean())


def mrr(ranks_B: ArrayLike, n: int) -> float:
    """Mean of `mrr_values`, from 0 to 1."""
    return float(mrr_values(ranks_B, n).mean())


def summary(ranks_B: ArrayLike, cutoffs: Iterable[int]) -> dict[str, float]:
    """hit_rate_at_N, ndcg_at_N and mrr_at_N for each cutoff N, and rows: names that MLflow accepts.

    Raises ValueError for no cutoff, one below 1, or ranks that are none.
    """
    wanted = sorted(set(cutoffs))
    if not wanted:
        raise ValueError("there is no cutoff; name at least one, as in [10, 50]")
    ranks = _ranks(ranks_B, wanted[0])
    result = {"rows": float(len(ranks))}
    for n in wanted:
        result[f"hit_rate_at_{n}"] = hit_rate(ranks, n)
        result[f"ndcg_at_{n}"] = ndcg(ranks, n)
        result[f"mrr_at_{n}"] = mrr(ranks, n)
    return result


def _ranks(ranks_B: ArrayLike, n: int) -> NDArray[np.int64]:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"the cutoff is {n!r}; it must be an integer from 1")
    ranks = np.asarray(ranks_B)
    if ranks.ndim != 1 or not ranks.size or ranks.dtype.kind not in "iu":
        raise ValueError(f"ranks have shape {ranks.shape} and type {ranks.dtype}; give integers [B], B from 1")
    if ranks.min() < 1:
        raise ValueError(f"row {int(ranks.argmin())} has rank {ranks.min()}; ranks start at 1")
    return ranks.astype(np.int64)
