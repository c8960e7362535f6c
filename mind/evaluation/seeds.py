"""What several trainings that differ in their seed alone say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Spread(NamedTuple):
    """Mean, sample standard deviation (divided by runs - 1), smallest and largest value over the runs."""

    mean: float
    deviation: float
    low: float
    high: float
    runs: int


def spread(values: ArrayLike) -> Spread:
    """The spread of one metric. Raises ValueError for fewer than two runs or a value that is not finite."""
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or len(found) < 2 or not np.isfinite(found).all():
        raise ValueError(f"the runs gave {found.tolist()}; a spread needs finite values of at least two runs")
    return Spread(float(found.mean()), float(found.std(ddof=1)), float(found.min()), float(found.max()), len(found))


def spreads(runs: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """The spread of every metric that all runs have, in the order of the first run."""
    shared = [name for name in (runs[0] if runs else {}) if all(name in run for run in runs)]
    return {name: spread([run[name] for run in runs]) for name in shared}
