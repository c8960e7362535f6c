"""Is one model better than another on the same rows, or is it luck? An interval for the difference.

Shapes: R rows, G groups (users), S samples, M distinct cases.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_CONFIDENCE = 0.95
# Draws held in memory at once, three arrays of 8 bytes each.
_DRAWS_AT_ONCE = 1 << 21


class Difference(NamedTuple):
    """mean(a) - mean(b), and the ends of its 95 % interval."""

    difference: float
    low: float
    high: float


def paired_bootstrap(
    a: ArrayLike, b: ArrayLike, groups: ArrayLike | None = None, samples: int = 1000, *, seed: int
) -> Difference:
    """mean(a) - mean(b) over rows, with the 2.5th and 97.5th percentile of the same over resampled users.

    a, b: float [R], a metric of the same rows in the same order for two models. groups: [R], the user of
    each row; whole users are drawn, with replacement, since rows of one user are not independent. Without
    groups every row is a user of its own. samples: how many times to draw. The same input and seed give
    the same numbers.

    Raises ValueError for shapes that differ, numbers that are not finite, fewer than two users, or
    samples below 1.
    """
    values_a = np.asarray(a, dtype=np.float64)
    values_b = np.asarray(b, dtype=np.float64)
    if values_a.ndim != 1 or values_a.shape != values_b.shape:
        raise ValueError(f"a has shape {values_a.shape}, b {values_b.shape}; both need the same rows, [R]")
    differences = values_a - values_b
    if not np.isfinite(differences).all():
        row = int((~np.isfinite(differences)).argmax())
        raise ValueError(f"row {row} has a = {values_a[row]}, b = {values_b[row]}; give finite numbers")
    if samples < 1:
        raise ValueError(f"samples is {samples}; draw at least once, 1000 times for a steady interval")
    sums_G, rows_G = _by_group(differences, groups)
    if len(sums_G) < 2:
        raise ValueError(f"there are {len(sums_G)} users; an interval needs at least two")
    means_S = _resampled(sums_G, rows_G, samples, np.random.default_rng(seed))
    return _interval(float(sums_G.sum() / rows_G.sum()), means_S)


def counted_bootstrap(differences_M: ArrayLike, users_M: ArrayLike, samples: int = 1000, *, seed: int) -> Difference:
    """The same for users given as counts: users_M of them have the difference differences_M, one row a user.

    To draw users one by one and count the cases, or to draw the counts of the cases at once (a multinomial law), is the
    same, but the second costs no more for a hundred million users than for a hundred.

    Raises ValueError for shapes that differ, differences that are not finite, counts below 0, or fewer than two users.
    """
    differences, users = np.asarray(differences_M, dtype=np.float64), np.asarray(users_M)
    if differences.ndim != 1 or differences.shape != users.shape or users.dtype.kind not in "iu":
        raise ValueError(f"differences have shape {differences.shape}, users {users.shape}; both need [M], users whole")
    if not np.isfinite(differences).all() or (users < 0).any() or users.sum() < 2:
        raise ValueError(f"there are {users.sum()} users; an interval needs two, counts from 0 and finite differences")
    total = int(users.sum())
    rng, means_S = np.random.default_rng(seed), np.empty(samples)
    block = max(1, _DRAWS_AT_ONCE // len(users))
    for start in range(0, samples, block):
        part = means_S[start : start + block]
        part[:] = rng.multinomial(total, users / total, size=len(part)) @ differences / total
    return _interval(float(differences @ users / total), means_S)


def _interval(difference: float, means_S: NDArray[np.float64]) -> Difference:
    tail = 100 * (1 - _CONFIDENCE) / 2
    low, high = np.percentile(means_S, [tail, 100 - tail])
    return Difference(difference, float(low), float(high))


def _by_group(
    differences: NDArray[np.float64], groups: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    if groups is None:
        return differences, np.ones(len(differences), dtype=np.int64)
    keys = np.asarray(groups)
    if keys.shape != differences.shape:
        raise ValueError(f"groups have shape {keys.shape}; name the user of each of the {len(differences)} rows")
    _, group_of_row = np.unique(keys, return_inverse=True)
    sums_G: NDArray[np.float64] = np.bincount(group_of_row, weights=differences).astype(np.float64)
    return sums_G, np.bincount(group_of_row).astype(np.int64)


def _resampled(
    sums_G: NDArray[np.float64], rows_G: NDArray[np.int64], samples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    means_S = np.empty(samples)
    block = max(1, _DRAWS_AT_ONCE // len(sums_G))
    for start in range(0, samples, block):
        part = means_S[start : start + block]
        drawn = rng.integers(0, len(sums_G), size=(len(part), len(sums_G)))
        # A sample's rows vary with the users drawn, so its mean is a ratio of two sums.
        part[:] = sums_G[drawn].sum(axis=1) / rows_G[drawn].sum(axis=1)
    return means_S
