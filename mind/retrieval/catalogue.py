"""The items that can be recommended tonight: their ids, their vectors and where both come from.

Shapes: V items of the catalogue, D dimensions. A position is a row of vectors_VD, from 0 to V - 1.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

METRIC = "inner_product"

# The norms that a vector or a query may have: the product of two then stays far from the ends of float32
# (1.2e-38 and 3.4e38), where a search would answer with infinity or with zero.
SMALLEST_NORM = 1e-18
LARGEST_NORM = 1e18

_NAMED_IN_ERRORS = 5


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Items in code-point order of their ids, so that the position is also the rank in a tie.

    item_ids: V strings, strictly ascending. vectors_VD: float32 [V, D], C-contiguous, read-only.
    model_version: the model that made the vectors. vocabulary: fingerprint of the vocabulary it read.
    The score of an item is its inner product with a query (`METRIC`).

    Raises TypeError for an id or a version that is no string, ValueError for ids out of order or named
    twice, for an empty catalogue, and for vectors of the wrong shape, not finite, zero, or with a norm
    outside `SMALLEST_NORM` to `LARGEST_NORM`. Use `Catalogue.build` for items in any order.
    """

    item_ids: tuple[str, ...]
    vectors_VD: NDArray[np.float32]
    model_version: str
    vocabulary: str

    def __post_init__(self) -> None:
        for name in ("model_version", "vocabulary"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                raise TypeError(f"{name} is {value!r}; it must be a string with at least one character")
        object.__setattr__(self, "item_ids", tuple(self.item_ids))
        object.__setattr__(self, "vectors_VD", _frozen_float32(self.vectors_VD))
        _check_ids(self.item_ids)
        _check_vectors(self.vectors_VD, self.item_ids)

    @classmethod
    def build(cls, item_ids: Sequence[str], vectors_VD: ArrayLike, *, model_version: str, vocabulary: str) -> Catalogue:
        """A catalogue from items in any order: item_ids has V strings, vectors_VD is [V, D].

        Raises what the class raises.
        """
        ids = list(item_ids)
        _check_strings(ids)
        vectors = np.asarray(vectors_VD)
        if vectors.ndim != 2 or len(vectors) != len(ids):
            raise ValueError(_shape_fault(vectors, len(ids)))
        order = sorted(range(len(ids)), key=ids.__getitem__)
        return cls(tuple(ids[place] for place in order), vectors[order], model_version, vocabulary)

    @property
    def size(self) -> int:
        """V, the number of items."""
        return len(self.item_ids)

    @property
    def dimension(self) -> int:
        """D, the number of values in a vector."""
        return int(self.vectors_VD.shape[1])

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) of ids, vectors, dimension, metric and both versions: equal content, equal digest."""
        digest = hashlib.sha256()
        for text in (METRIC, self.model_version, self.vocabulary):
            _feed(digest, text.encode("utf-8"))
        digest.update(struct.pack("<QQ", self.size, self.dimension))
        for item_id in self.item_ids:
            _feed(digest, item_id.encode("utf-8"))
        digest.update(self.vectors_VD.astype("<f4", copy=False).data)
        return digest.hexdigest()

    @cached_property
    def largest_norm(self) -> float:
        """The largest Euclidean norm of an item vector."""
        return float(norms(self.vectors_VD).max())

    def known_positions(self, item_ids: Iterable[str]) -> NDArray[np.int64]:
        """Positions of those ids that the catalogue holds, ascending and unique, int64.

        Made for exclusions: an id that is not in the catalogue is skipped, as it cannot be recommended.
        """
        found = {self._positions[item_id] for item_id in item_ids if item_id in self._positions}
        return np.array(sorted(found), dtype=np.int64)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {item_id: position for position, item_id in enumerate(self.item_ids)}


def _feed(digest: Any, data: bytes) -> None:
    # The length goes first: without it ("ab", "c") and ("a", "bc") would have one digest.
    digest.update(struct.pack("<Q", len(data)))
    digest.update(data)


def _frozen_float32(vectors: Any) -> NDArray[np.float32]:
    # A copy, so that nobody who holds the original can change what the fingerprint stands for; a file mapped
    # for reading stays where it is. A value too large for float32 becomes infinite and is refused by name later.
    if isinstance(vectors, np.memmap) and vectors.mode == "r" and vectors.dtype == np.float32:
        mapped: NDArray[np.float32] = np.ascontiguousarray(vectors).view(np.ndarray)
        return mapped
    with np.errstate(over="ignore"):
        frozen: NDArray[np.float32] = np.array(vectors, dtype=np.float32, order="C")
    frozen.setflags(write=False)
    return frozen


def _check_strings(ids: Sequence[Any]) -> None:
    for item_id in ids:
        if not isinstance(item_id, str):
            raise TypeError(
                f"item id {item_id!r} is a {type(item_id).__name__}; ids are strings here, "
                "so write a number as text first"
            )
    try:
        "".join(ids).encode("utf-8")
    except UnicodeEncodeError as fault:
        wrong = next(item_id for item_id in ids if any("\ud800" <= letter <= "\udfff" for letter in item_id))
        raise ValueError(
            f"item id {wrong!r} holds half a surrogate pair, which UTF-8 cannot write; mend it at its source"
        ) from fault


def _check_ids(ids: Sequence[Any]) -> None:
    if not ids:
        raise ValueError("the catalogue has no items; it needs at least one, so check the item_vectors of the day")
    _check_strings(ids)
    for before, after in itertools.pairwise(ids):
        if before == after:
            raise ValueError(f"item id {after!r} is there twice; ids are unique, so remove one of its vectors")
        if before > after:
            raise ValueError(f"item id {after!r} comes after {before!r}; sort the items, or use Catalogue.build")


def _shape_fault(vectors: NDArray[Any], count: int) -> str:
    return f"vectors have shape {vectors.shape}; {count} item ids need [{count}, D], one row an id, D at least 1"


def _check_vectors(vectors_VD: NDArray[np.float32], ids: Sequence[str]) -> None:
    if vectors_VD.ndim != 2 or len(vectors_VD) != len(ids) or vectors_VD.shape[1] < 1:
        raise ValueError(_shape_fault(vectors_VD, len(ids)))
    norms_V = norms(vectors_VD)
    faults = (
        (~np.isfinite(norms_V), "not finite", "train again or remove them"),
        (norms_V == 0, "zero", "an item without features must not get here"),
        (norms_V < SMALLEST_NORM, "too short", "scale all vectors up"),
        (norms_V > LARGEST_NORM, "too long", "scale all vectors down"),
    )
    for wrong_V, what, remedy in faults:
        places = np.flatnonzero(wrong_V)
        if len(places):
            named = ", ".join(repr(ids[place]) for place in places[:_NAMED_IN_ERRORS])
            raise ValueError(
                f"the vectors of {len(places)} items are {what}, the first of them {named}; "
                f"vectors must be finite, not zero and {SMALLEST_NORM:g} to {LARGEST_NORM:g} long: {remedy}"
            )


def norms(vectors_VD: NDArray[np.float32], block: int = 65_536) -> NDArray[np.float64]:
    """Euclidean norm of each vector: float64 [V]."""
    # In blocks, since float64 copies of a whole catalogue would triple its memory.
    norms_V = np.empty(len(vectors_VD), dtype=np.float64)
    for start in range(0, len(vectors_VD), block):
        part = vectors_VD[start : start + block].astype(np.float64)
        norms_V[start : start + block] = np.sqrt(np.square(part).sum(axis=1))
    return norms_V
