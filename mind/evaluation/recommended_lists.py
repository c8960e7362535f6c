"""Metrics of whole lists: several relevant items a user, and how widely the catalogue is shown.

Shapes: V items of the catalogue, R relevant items of a user, B lists, N places, D dimension. A list is ordered, best
first, and names no item twice. n is a cutoff: only the first n places count; a list may be shorter.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mind.evaluation.ranking import NO_ITEM

Items = Sequence[Hashable] | NDArray[Any]

# Vectors of listed items held in memory at once, of 8 bytes a number.
_NUMBERS_AT_ONCE = 1 << 22


def list_hit(recommended: Items, relevant: Items, n: int) -> float:
    """1 if any of the first n is relevant, otherwise 0. Raises what `list_recall` raises."""
    return float(any(_found(recommended, relevant, n)))


def list_recall(recommended: Items, relevant: Items, n: int) -> float:
    """Relevant items among the first n, divided by R: all relevant items, even where R is above n.

    Raises TypeError for what has no order (a set, a dict, an iterator) or is one string; ValueError for an
    item named twice, for no relevant items (the metric is not defined: leave out the user), or n below 1.
    """
    return sum(_found(recommended, relevant, n)) / len(relevant)


def list_mrr(recommended: Items, relevant: Items, n: int) -> float:
    """1 / rank of the first relevant item among the first n, 0 if none. Raises what `list_recall` raises."""
    found = _found(recommended, relevant, n)
    return 1.0 / (1 + found.index(True)) if True in found else 0.0


def list_ndcg(recommended: Items, relevant: Items, n: int) -> float:
    """The sum of 1 / log2(1 + rank) over the hits, divided by that of an ideal list.

    The ideal list starts with all relevant items, so it has min(n, R) hits, not as many as were found.
    Raises what `list_recall` raises.
    """
    gain = sum(_discount(place) for place, hit in enumerate(_found(recommended, relevant, n)) if hit)
    return gain / sum(_discount(place) for place in range(min(n, len(relevant))))


def exposures(lists: Iterable[ArrayLike], catalogue_size: int) -> NDArray[np.int64]:
    """int64 [V]: in how many lists each item is. Each list holds unique positions in the catalogue, int.

    Raises ValueError for a position outside 0 to V - 1 or one named twice in a list; the list is named.
    """
    counts_V = np.zeros(catalogue_size, dtype=np.int64)
    for number, entries in enumerate(lists):
        positions = np.asarray(entries)
        if positions.ndim != 1 or (positions.size and positions.dtype.kind not in "iu"):
            raise ValueError(f"list {number} has shape {positions.shape}, type {positions.dtype}; give integers")
        unique = np.unique(positions).astype(np.int64)
        if unique.size and not 0 <= unique[0] <= unique[-1] < catalogue_size:
            raise ValueError(f"list {number} names {unique[0]} to {unique[-1]}; give 0 to {catalogue_size - 1}")
        if len(unique) != len(positions):
            raise ValueError(f"list {number} names {len(positions) - len(unique)} items again; a list names each once")
        counts_V[unique] += 1
    return counts_V


def catalogue_coverage(exposures_V: ArrayLike) -> float:
    """Share of the catalogue that is in at least one list, from 0 to 1. Raises ValueError for V = 0."""
    return float((_exposures(exposures_V) > 0).mean())


def top_share(exposures_V: ArrayLike, per_cent: float = 1.0) -> float:
    """Share of all places that goes to the most shown per_cent of the catalogue (rounded up to whole items).

    Equal exposure gives about per_cent / 100; 1 means that nothing else is shown. Raises ValueError when
    per_cent is not above 0 and at most 100, or when the lists are all empty.
    """
    counts_V = _exposures(exposures_V)
    if not 0 < per_cent <= 100:
        raise ValueError(f"per_cent is {per_cent}; it must be above 0 and at most 100")
    total = int(counts_V.sum())
    if not total:
        raise ValueError("the lists are all empty, so no share of their places is defined; check the lists")
    # Rounded first, so that a product a hair above a whole number is not counted as one item more.
    items = max(1, math.ceil(round(len(counts_V) * per_cent / 100, 9)))
    return int(np.sort(counts_V)[-items:].sum()) / total


def gini(exposures_V: ArrayLike) -> float:
    """How unequally the places are shared among the V items: 0 where all have the same, 1 - 1 / V where one has all.

    With x ascending: sum (2 i - V - 1) x_i / (V sum x), i from 1. Raises ValueError where the lists are all empty.
    """
    sorted_V = np.sort(_exposures(exposures_V))
    size, total = len(sorted_V), int(sorted_V.sum())
    if not total:
        raise ValueError("the lists are all empty, so no share of their places is defined; check the lists")
    weights_V = 2 * np.arange(1, size + 1) - size - 1
    return float((weights_V * sorted_V).sum() / (size * total))


def list_diversity(
    lists_BN: NDArray[np.integer[Any]], item_vectors_VD: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """float64 [B]: the mean of 1 - cosine over the pairs of a list; NaN for a list of fewer than two items.

    lists_BN: positions, padded with NO_ITEM. The cosines of n unit vectors that add up to s have the mean
    (|s|^2 - n) / (n (n - 1)), so no pair is ever looked at.

    Raises ValueError for an item without direction (a zero vector).
    """
    rows, places = lists_BN.shape
    diversity_B = np.full(rows, np.nan)
    block = max(1, _NUMBERS_AT_ONCE // max(1, places * item_vectors_VD.shape[1]))
    for start in range(0, rows, block):
        lists = lists_BN[start : start + block]
        there = lists != NO_ITEM
        vectors = item_vectors_VD[lists].astype(np.float64)
        lengths = np.sqrt((vectors * vectors).sum(axis=2))
        if (there & (lengths == 0)).any():
            item = lists[there & (lengths == 0)][0]
            raise ValueError(f"item {item} has a zero vector, so its cosine is not defined; leave it out of the lists")
        weights = np.divide(1.0, lengths, where=there, out=np.zeros_like(lengths))
        sums = np.einsum("bn,bnd->bd", weights, vectors)
        count = there.sum(axis=1)
        pairs = (count * (count - 1)).astype(np.float64)
        cosines = np.divide((sums * sums).sum(axis=1) - count, pairs, where=pairs > 0, out=np.full(len(lists), np.nan))
        diversity_B[start : start + block] = 1.0 - cosines
    return diversity_B


def _discount(place: int) -> float:
    return 1.0 / math.log2(place + 2)


def _found(recommended: Items, relevant: Items, n: int) -> list[bool]:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"the cutoff is {n!r}; it must be an integer from 1")
    entries = _ordered("the recommended items", recommended)
    wanted = _ordered("the relevant items", relevant)
    if not wanted:
        raise ValueError("there are no relevant items, so the metric is not defined; leave out this user")
    lookup = set(wanted)
    return [item in lookup for item in entries[:n]]


def _ordered(what: str, items: Any) -> list[Hashable]:
    if isinstance(items, np.ndarray) and items.ndim == 1:
        items = items.tolist()
    if not isinstance(items, Sequence) or isinstance(items, (str, bytes)):
        raise TypeError(f"{what} are a {type(items).__name__}; give a list, a tuple or a 1-D array in its order")
    if len(set(items)) != len(items):
        twice = next(item for place, item in enumerate(items) if item in items[:place])
        raise ValueError(f"{what} name {twice!r} twice; a list names each item once")
    return list(items)


def _exposures(exposures_V: ArrayLike) -> NDArray[np.int64]:
    counts_V = np.asarray(exposures_V)
    if counts_V.ndim != 1 or not counts_V.size or counts_V.dtype.kind not in "iu" or counts_V.min() < 0:
        raise ValueError(f"exposures have shape {counts_V.shape} and type {counts_V.dtype}; give V counts from 0")
    return counts_V.astype(np.int64)
