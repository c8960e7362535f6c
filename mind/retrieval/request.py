"""What is asked for one user, checked, with the error that a float32 search can make on it.

Shapes: K interests of one user, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mind.retrieval.catalogue import LARGEST_NORM, SMALLEST_NORM, Catalogue


@dataclass(frozen=True, eq=False)
class Request:
    """One user, checked.

    interests_KD: float32 [K, D]. excluded: int64 [X], positions, ascending and unique. slack: the largest
    difference between a float32 product with an interest and the true inner product. wanted: how many items
    leave n after the exclusions for certain, at most V.
    """

    interests_KD: NDArray[np.float32]
    excluded: NDArray[np.int64]
    slack: float
    wanted: int


def request_for(user_id: str, interests: ArrayLike, excluded: ArrayLike, catalogue: Catalogue, n: int) -> Request:
    """Checks what came for one user. See `mind.retrieval.candidates.top_candidates_batch` for the rules."""
    with np.errstate(over="ignore"):
        interests_KD = np.array(interests, dtype=np.float32, order="C")
    if interests_KD.ndim != 2 or len(interests_KD) < 1 or interests_KD.shape[1] != catalogue.dimension:
        raise ValueError(
            f"user {user_id!r}: interests have shape {interests_KD.shape}; the catalogue needs "
            f"[K, {catalogue.dimension}] with K at least 1. A user without interests gets the fallback list"
        )
    norms_K = np.sqrt(np.square(interests_KD.astype(np.float64)).sum(axis=1))
    for number, norm in enumerate(norms_K.tolist()):
        if not SMALLEST_NORM <= norm <= LARGEST_NORM:  # false for NaN too
            raise ValueError(
                f"user {user_id!r}: interest {number} has norm {norm:g}; it must be finite, not zero and "
                f"{SMALLEST_NORM:g} to {LARGEST_NORM:g}. Leave out interests that are not active; otherwise "
                "look at the model"
            )
    positions = np.asarray(excluded)
    if positions.ndim != 1 or (positions.size and positions.dtype.kind not in "iu"):
        raise ValueError(
            f"user {user_id!r}: exclusions have shape {positions.shape} and type {positions.dtype}; "
            "give a list of integers, see Catalogue.known_positions"
        )
    positions = np.unique(positions.astype(np.int64))
    if positions.size and not 0 <= positions[0] <= positions[-1] < catalogue.size:
        raise ValueError(
            f"user {user_id!r}: exclusions reach from {positions[0]} to {positions[-1]}; positions are 0 to "
            f"{catalogue.size - 1}, see Catalogue.known_positions"
        )
    slack = _rounding(catalogue.dimension) * norms_K.max() * catalogue.largest_norm + _underflow(catalogue.dimension)
    return Request(interests_KD, positions, float(slack), min(catalogue.size, n + len(positions)))


def _rounding(dimension: int) -> float:
    # The error of a float32 inner product in any order of summation is at most D u / (1 - D u) |q| |e|
    # with u = 2^-24 (Higham, Accuracy and Stability, section 3.1). Twice that also covers the norms' own.
    unit = dimension * 2.0**-24
    return 2 * unit / (1 - unit)


def _underflow(dimension: int) -> float:
    # Products below the smallest normal number may be flushed to zero, one for each dimension.
    return dimension * float(np.finfo(np.float32).tiny)
