"""Methods that count or factorise: popularity, item-CF and WALS, tuned on validation, scored by the evaluator.

Shapes: U users, V items of the catalogue.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mind.baselines.factor_scorer import FactorScorer
from mind.baselines.neighbour_scorer import Neighbours, NeighbourScorer
from mind.evaluation import Scorer, evaluate, excluded_positions
from mind.tables import names as n
from tests.bench.quality.data import Sequences

ITEM_CF = [{"neighbours": count, "damping": damping} for count in (50, 100) for damping in (0.0, 20.0)]
DECAYS = (0.6, 0.7, 0.8, 0.9)
WALS = [{"confidence": confidence, "regularisation": 0.1} for confidence in (1.0, 10.0)]
MOST_RECENT = 200


class Popular:
    """The same scores for everybody."""

    def __init__(self, log: Sequences) -> None:
        self._counts = np.bincount(log.items_N[_trained(log)], minlength=log.catalogue + 2)[2:].astype(np.float64)

    def scores(self, batch: Any) -> NDArray[np.float64]:
        return np.broadcast_to(self._counts, (len(batch[n.HISTORY]), len(self._counts)))


def ranks(log: Sequences, method: str, seed: int, length: int) -> tuple[NDArray[np.int64], dict[str, float]]:
    """Test ranks [U] of a method, and the setting that validation chose for it."""
    if method == "popularity":
        return _ranks(log, Popular(log), "test", length), {}
    scorers = _item_cf(log) if method == "item_cf" else _wals(log, seed)
    best, chosen, value = None, {}, -1.0
    for setting, scorer in scorers:
        found = _ranks(log, scorer, "validation", length)
        reached = float((found <= 20).mean() + (found <= 50).mean())
        if reached > value:
            best, chosen, value = scorer, setting, reached
    assert best is not None
    return _ranks(log, best, "test", length), chosen


def _ranks(log: Sequences, scorer: Scorer, split: str, length: int) -> NDArray[np.int64]:
    place = log.positions(split)

    def batches() -> Iterator[dict[str, NDArray[Any]]]:
        for first in range(0, len(place), 512):
            here = place[first : first + 512]
            target = log.items_N[here] - 2
            longest = int((here - log.starts[log.user_of(here)]).max())
            excluded = excluded_positions(log.before(here, longest), target)
            yield {"target_position": target, n.HISTORY: log.before(here, length), "excluded_positions": excluded}

    return evaluate(scorer, batches(), catalogue_size=log.catalogue, expected_rows=log.users)


def _trained(log: Sequences) -> NDArray[np.int64]:
    """Places of everything but the last two items of each user."""
    place = np.arange(len(log.items_N))
    return place[place < log.starts[1:][log.user_of(place)] - 2]


def _frame(log: Sequences) -> Any:
    import pandas as pd

    from mind.preflight import find_java
    from mind.storage.session import session

    os.environ |= {
        "JAVA_HOME": str(find_java()),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": "--properties-file conf/spark/local.conf --driver-memory 3g pyspark-shell",
    }
    place = _trained(log)
    rows = pd.DataFrame(
        {n.USER_ID: log.user_of(place).astype(str), n.ITEM_INDEX: log.items_N[place], n.EVENT_TIME: place}
    )
    return session().createDataFrame(rows).repartition(4).persist()


def _item_cf(log: Sequences) -> Iterator[tuple[dict[str, float], Scorer]]:
    from mind.baselines.item_cf import NEIGHBOUR_INDEX, SIMILARITY, item_neighbours

    frame = _frame(log)
    for setting in ITEM_CF:
        rows = item_neighbours(frame, most_recent=MOST_RECENT, **setting).toPandas()  # type: ignore[arg-type]
        columns = [rows[name].to_numpy() for name in (n.ITEM_INDEX, NEIGHBOUR_INDEX, SIMILARITY)]
        held = Neighbours.from_columns(*columns, log.catalogue)
        for decay in DECAYS:
            yield {**setting, "recency_decay": decay}, NeighbourScorer(held, decay)
    frame.unpersist()


def _wals(log: Sequences, seed: int) -> Iterator[tuple[dict[str, float], Scorer]]:
    from mind.baselines.als import fit

    frame = _frame(log)
    for setting in WALS:
        yield setting, FactorScorer(fit(frame, dimension=64, iterations=8, seed=seed, **setting), log.catalogue)
    frame.unpersist()
