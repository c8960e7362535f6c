"""Two lists for the same users, held against what the users did afterwards: the test that a batch can run offline.

Shapes: M groups of users who are alike in all that counts here, N a cutoff.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mind.evaluation.bootstrap import Difference, counted_bootstrap


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What two kinds of lists would have shown in their first N places; each difference is the second's minus the
    first's, with a 95 % interval over users."""

    cutoff: int
    users: int
    """Users who did something afterwards."""
    hit_rates: tuple[float, float]
    """Share of them for whom the list held at least one item that they then chose."""
    hit_difference: Difference
    recalls: tuple[float, float]
    """Mean over them of the share of the items that they then chose."""
    recall_difference: Difference
    hits: tuple[int, int]
    """Pairs of a user and a chosen item that was in the user's list."""


def replay(
    cutoff: int,
    chosen_M: ArrayLike,
    first_found_M: ArrayLike,
    second_found_M: ArrayLike,
    users_M: ArrayLike,
    *,
    seed: int,
    samples: int = 1000,
) -> Replay:
    """Users are given in groups: how many items each of a group chose, how many of these the first N places of the
    first and of the second list hold, and how many users that is true of. So a hundred million users are a few
    thousand rows, and an interval costs no more.

    Raises ValueError unless chosen is at least 1, found at most chosen, all are integers from 0, and users are two at
    least.
    """
    chosen, first, second, users = (np.asarray(column) for column in (chosen_M, first_found_M, second_found_M, users_M))
    wrong = (chosen < 1) | (np.minimum(first, second) < 0) | (np.maximum(first, second) > chosen)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"group {row} chose {chosen[row]} items, of which the lists hold {first[row]} and {second[row]}; a user "
            "must have chosen something, and no list holds more of it than that"
        )
    hits = [(found > 0).astype(np.float64) for found in (first, second)]
    shares = [found / chosen for found in (first, second)]
    total = int(users.sum())

    def means(values: list[NDArray[np.float64]]) -> tuple[float, float]:
        return float(values[0] @ users / total), float(values[1] @ users / total)

    return Replay(
        cutoff=cutoff,
        users=total,
        hit_difference=counted_bootstrap(hits[1] - hits[0], users, samples, seed=seed),
        recall_difference=counted_bootstrap(shares[1] - shares[0], users, samples, seed=seed),
        hit_rates=means(hits),
        recalls=means(shares),
        hits=(int(first @ users), int(second @ users)),
    )
