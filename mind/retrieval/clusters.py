"""Directions in which items lie close together: k-means on the sphere, in whole numbers.

Shapes: V items, C directions, D dimensions, B items of a block.

Items and directions are whole numbers so small that every partial sum of a product is exact in float32. So
neither the number of threads nor the order in which BLAS adds can change an assignment.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Values of an item in one byte, and of a direction in as many bits as a float32 sum leaves (11 at D = 64).
ITEM_LEVELS = 127
_EXACT_FLOAT32 = 2**24 - 1
_DIRECTION_LEVELS = 2**15 - 1

_SAMPLE_FOR_EACH = 50
_ROUNDS = 6
_BLOCK = 4096
# Beyond so many directions an item is compared with those of so many groups of them, many items at once.
_COMPARED_ALL = 4096
_NEAREST_GROUPS = 8
_GROUPED_BLOCK = 1 << 16


def query_levels(dimension: int) -> int:
    """The largest whole number a value may take whose products with D bytes add up without rounding."""
    return int(min(2**11 - 1, max(1, _EXACT_FLOAT32 // (ITEM_LEVELS * dimension))))


def in_bytes(vectors_VD: NDArray[np.float32]) -> NDArray[np.int8]:
    """Each vector scaled so that its largest value is 127, rounded: int8 [V, D]."""
    bytes_VD = np.empty(vectors_VD.shape, dtype=np.int8)
    for start in range(0, len(vectors_VD), _BLOCK):
        part = np.asarray(vectors_VD[start : start + _BLOCK])
        bytes_VD[start : start + _BLOCK] = np.rint(part * (ITEM_LEVELS / np.abs(part).max(axis=1, keepdims=True)))
    return bytes_VD


def directions(bytes_VD: NDArray[np.int8], count: int, seed: int) -> NDArray[np.float64]:
    """About `count` unit vectors near which the items lie: float64 [C, D], multiples of 1 / 32767.

    Two levels of k-means on a sample give the start, since k-means from random items leaves many clusters
    merged; some rounds over the whole sample follow. Same input and seed, same output.
    """
    rng = np.random.default_rng(seed)
    size = min(len(bytes_VD), _SAMPLE_FOR_EACH * count)
    sample = bytes_VD[np.sort(rng.choice(len(bytes_VD), size, replace=False))]
    coarse = max(1, round(count**0.5))
    label = assign(sample, _lloyd(sample, _some(sample, coarse, rng), rng))
    fine = []
    for number in range(coarse):
        part = sample[label == number]
        share = max(1, round(len(part) / size * count))
        if len(part) > share:
            fine.append(_lloyd(part, _some(part, share, rng), rng))
        elif len(part):
            fine.append(_units(part.astype(np.float64)))
    return _lloyd(sample, np.concatenate(fine), rng) / _DIRECTION_LEVELS


def assign(bytes_VD: NDArray[np.int8], whole_CD: NDArray[np.float64]) -> NDArray[np.int32]:
    """The direction (in whole numbers, see `whole`) with the largest cosine for each item: int32 [V].

    Of more than `_COMPARED_ALL` directions only those of the groups nearest to the item are compared, so the largest
    may be missed by a little; the time then grows with the root of their number.
    """
    levels = query_levels(bytes_VD.shape[1])
    coarser_CD = np.rint(whole_CD * (levels / _DIRECTION_LEVELS)).astype(np.float32)
    if len(coarser_CD) > _COMPARED_ALL:
        return _assign_by_groups(bytes_VD, coarser_CD, whole_CD)
    label_V = np.empty(len(bytes_VD), dtype=np.int32)
    for start in range(0, len(bytes_VD), _BLOCK):
        part_BD = bytes_VD[start : start + _BLOCK].astype(np.float32)
        label_V[start : start + _BLOCK] = (part_BD @ coarser_CD.T).argmax(axis=1)
    return label_V


def _assign_by_groups(
    bytes_VD: NDArray[np.int8], coarser_CD: NDArray[np.float32], whole_CD: NDArray[np.float64]
) -> NDArray[np.int32]:
    rng = np.random.default_rng(len(whole_CD))
    as_items = in_bytes(whole_CD.astype(np.float32))
    groups = _lloyd(as_items, _some(as_items, round(len(whole_CD) ** 0.5), rng), rng)
    group_C = assign(as_items, groups)
    levels = query_levels(bytes_VD.shape[1])
    groups_DG = np.rint(groups * (levels / _DIRECTION_LEVELS)).astype(np.float32).T.copy()
    members = [np.flatnonzero(group_C == group) for group in range(len(groups))]
    matrices = [coarser_CD[member].T.copy() for member in members]
    label_V = np.empty(len(bytes_VD), dtype=np.int32)
    for start in range(0, len(bytes_VD), _GROUPED_BLOCK):
        part_BD = bytes_VD[start : start + _GROUPED_BLOCK].astype(np.float32)
        near_BG = np.argsort(-(part_BD @ groups_DG), axis=1, kind="stable")[:, :_NEAREST_GROUPS]
        best_B, found_B = np.full(len(part_BD), -np.inf, np.float32), np.zeros(len(part_BD), np.int32)
        for nearest in range(near_BG.shape[1]):
            order = np.argsort(near_BG[:, nearest], kind="stable")
            ends = np.cumsum(np.bincount(near_BG[:, nearest], minlength=len(groups)))
            for group, (first, end) in enumerate(zip(np.append(0, ends[:-1]), ends, strict=True)):
                if first == end or not len(members[group]):
                    continue
                items = order[first:end]
                scores = part_BD[items] @ matrices[group]
                place = scores.argmax(axis=1)
                top = scores[np.arange(len(items)), place]
                better = top > best_B[items]
                best_B[items[better]] = top[better]
                found_B[items[better]] = members[group][place[better]]
        label_V[start : start + _GROUPED_BLOCK] = found_B
    return label_V


def whole(directions_CD: NDArray[np.float64]) -> NDArray[np.float64]:
    """Directions as the whole numbers that they are multiples of."""
    rounded: NDArray[np.float64] = np.rint(directions_CD * _DIRECTION_LEVELS)
    return rounded


def _some(bytes_BD: NDArray[np.int8], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    chosen = rng.choice(len(bytes_BD), min(count, len(bytes_BD)), replace=False)
    return _units(bytes_BD[chosen].astype(np.float64))


def _units(sums_CD: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.sqrt(np.square(sums_CD).sum(axis=1, keepdims=True))
    return whole(sums_CD / np.where(lengths > 0, lengths, 1))


def _lloyd(bytes_BD: NDArray[np.int8], whole_CD: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    for _ in range(_ROUNDS):
        label = assign(bytes_BD, whole_CD)
        counts = np.bincount(label, minlength=len(whole_CD))
        filled = counts > 0
        unit_BD = bytes_BD[np.argsort(label, kind="stable")].astype(np.float64)
        unit_BD /= np.sqrt(np.square(unit_BD).sum(axis=1, keepdims=True))
        sums = np.add.reduceat(unit_BD, (np.cumsum(counts) - counts)[filled], axis=0)
        whole_CD = whole_CD.copy()
        whole_CD[filled] = _units(sums)
        # A direction that few items follow moves to an item of a crowded one.
        lonely = np.flatnonzero(counts * 8 < len(bytes_BD) / len(whole_CD))
        crowded = np.argsort(-counts, kind="stable")[: int(filled.sum())]
        for place, full in zip(lonely, crowded, strict=False):
            followers = np.flatnonzero(label == full)
            whole_CD[place] = _units(bytes_BD[rng.choice(followers)].astype(np.float64)[None])[0]
    return whole_CD
