"""The catalogue cut into lists: items of one direction, by falling norm, as bytes.

Shapes: V items, D dimensions, C clusters, S lists.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mind.retrieval.catalogue import Catalogue, norms
from mind.retrieval.clusters import ITEM_LEVELS, assign, directions, in_bytes, whole

# Of most directions only the longest items matter to a user, so the first lists are short.
_ITEMS_OF_FIRST_LIST, _ITEMS_OF_A_LIST = 16, 128
_ITEMS_OF_A_CLUSTER = 500
_SEED = 1
_BLOCK = 65_536

Arrays = dict[str, NDArray[Any]]


def build_lists(catalogue: Catalogue, clusters: int | None = None) -> Arrays:
    """What an IvfIndex searches; `clusters`: about how many directions, by default `default_clusters`.

    order int32 [V], positions as they lie in the lists; starts int64 [S + 1], where each list begins; cluster
    int32 [S]; directions float64 [C, D], unit vectors; cosines float64 [C], the mean over the items of each;
    bytes int8 [V, D], in the order of the lists; steps float32 [S], what one unit of the bytes is worth; tops
    float32 [S], the largest norm.
    """
    bytes_VD = in_bytes(catalogue.vectors_VD)
    found_CD = directions(bytes_VD, clusters or default_clusters(catalogue.size), _SEED)
    label_V = assign(bytes_VD, whole(found_CD))
    norms_V = norms(catalogue.vectors_VD)
    order_V = np.lexsort((-norms_V, label_V)).astype(np.int32)
    counts = np.bincount(label_V, minlength=len(found_CD))
    filled = np.flatnonzero(counts)
    found_CD, counts = found_CD[filled], counts[filled]
    first_C = np.cumsum(counts) - counts
    starts, cluster = _lists(first_C, counts)
    cosines_V = _cosines(bytes_VD, order_V, found_CD, counts)
    del bytes_VD
    steps, list_bytes_VD = list_bytes(catalogue, order_V, starts)
    return {
        "order": order_V,
        "starts": starts,
        "cluster": cluster,
        "directions": found_CD,
        "cosines": np.add.reduceat(cosines_V, first_C) / counts,
        "bytes": list_bytes_VD,
        "steps": steps,
        "tops": norms_V[order_V[starts[:-1]]].astype(np.float32),
    }


def default_clusters(size: int) -> int:
    """2 sqrt(V), or one for every 500 items where that is more, from a million items on.

    At 10 million items a user read 1.7 times as many items at 2 sqrt(V) directions (6,327), for the same recall.
    """
    return max(1, round(2 * math.sqrt(size)), size // _ITEMS_OF_A_CLUSTER)


def _lists(first_C: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Every cluster cut into lists, each twice as long as the one before: starts [S + 1], cluster [S]."""
    starts: list[int] = []
    cluster: list[int] = []
    for number, (first, count) in enumerate(zip(first_C.tolist(), counts.tolist(), strict=True)):
        at, long = 0, _ITEMS_OF_FIRST_LIST
        while at < count:
            starts.append(first + at)
            cluster.append(number)
            # What would be left for less than half a list goes with the last one.
            at = count if count - at < 1.5 * long else at + long
            long = min(2 * long, _ITEMS_OF_A_LIST)
    return np.array([*starts, int(counts.sum())], dtype=np.int64), np.array(cluster, dtype=np.int32)


def _cosines(
    bytes_VD: NDArray[np.int8], order_V: NDArray[np.int32], found_CD: NDArray[np.float64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    cluster_V = np.repeat(np.arange(len(counts)), counts)
    cosines_V = np.empty(len(order_V))
    for start in range(0, len(order_V), _BLOCK):
        part = bytes_VD[order_V[start : start + _BLOCK]].astype(np.float64)
        along = (part * found_CD[cluster_V[start : start + _BLOCK]]).sum(axis=1)
        cosines_V[start : start + _BLOCK] = along / np.sqrt(np.square(part).sum(axis=1))
    return cosines_V


def list_bytes(
    catalogue: Catalogue, order_V: NDArray[np.int32], starts: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """One unit of the bytes for each list [S], and the bytes [V, D] in the order of the lists."""
    largest_V = np.empty(len(order_V), dtype=np.float32)
    for start in range(0, len(order_V), _BLOCK):
        part = np.abs(catalogue.vectors_VD[order_V[start : start + _BLOCK]])
        largest_V[start : start + _BLOCK] = part.max(axis=1)
    steps = np.maximum.reduceat(largest_V, starts[:-1]) / np.float32(ITEM_LEVELS)
    step_V = np.repeat(steps, np.diff(starts))
    bytes_VD = np.empty(catalogue.vectors_VD.shape, dtype=np.int8)
    for start in range(0, len(order_V), _BLOCK):
        part = catalogue.vectors_VD[order_V[start : start + _BLOCK]]
        bytes_VD[start : start + _BLOCK] = np.rint(part / step_V[start : start + _BLOCK, None])
    return steps, bytes_VD
