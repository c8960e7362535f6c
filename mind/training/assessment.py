"""Challenger, champion and popularity on the test days of one night: the same rows, the same evaluator."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mind.config import EvaluationSection
from mind.evaluation import evaluate, hit_values, paired_bootstrap, summary
from mind.evaluation.evaluator import Scorer
from mind.model import load
from mind.tables import names as n
from mind.tables.manifest import Manifest
from mind.tracking.registry import CHALLENGER, CHAMPION, Registry, Version
from mind.training.loader import TENSORS, Columns, read_split
from mind.training.scoring import ModelScorer, PopularityScorer, evaluation_batches

log = logging.getLogger("mind")

POPULARITY = "popularity"


def step_of(ds: date) -> int:
    """The MLflow step under which a night's test metrics are logged: a model may be tested on many nights."""
    return ds.toordinal()


class Assessment:
    """The test rows of a night and what is needed to score them.

    Args:
        manifest: of the night.
        counts_V: behaviours in the training days by catalogue position: the popularity baseline.
        tie_order_V: place of each catalogue position in the order of item ids; ties in score go by it.
        section: cutoffs and batch size.
    """

    def __init__(
        self,
        manifest: Manifest,
        counts_V: NDArray[np.int64],
        tie_order_V: NDArray[np.int64],
        section: EvaluationSection,
    ) -> None:
        self._rows: Columns = read_split(manifest, "test", (*TENSORS, n.USER_ID))
        self._counts, self._ties, self._section = counts_V, tie_order_V, section
        self._ranks: dict[str, NDArray[np.int64]] = {POPULARITY: self._measure(PopularityScorer(counts_V))}

    def add(self, name: str, folder: Path) -> None:
        """Measure the model in a folder under a name."""
        model, _ = load(folder)
        self._ranks[name] = self._measure(ModelScorer(model, len(self._counts)))

    def metrics(self, name: str) -> dict[str, float]:
        """HitRate, NDCG and MRR at the cutoffs."""
        return summary(self._ranks[name], self._section.cutoffs)

    def difference(self, name: str, other: str) -> dict[str, float]:
        """HitRate at the main cutoff of `name` minus that of `other`, with a 95 % interval over users."""
        at = self._section.main_cutoff
        ours, theirs = hit_values(self._ranks[name], at), hit_values(self._ranks[other], at)
        found = paired_bootstrap(ours, theirs, groups=self._rows[n.USER_ID], seed=1)
        key = f"over_{other}_hit_rate_at_{at}"
        return {key: found.difference, f"{key}_low": found.low, f"{key}_high": found.high}

    def _measure(self, scorer: Scorer) -> NDArray[np.int64]:
        return evaluate(
            scorer,
            evaluation_batches(self._rows, self._section.batch_size),
            catalogue_size=len(self._counts),
            tie_order_V=self._ties,
            expected_rows=len(self._rows[n.TARGET]),
            block_rows=self._section.batch_size,
        )


def assess(assessment: Assessment, registry: Registry, ds: date) -> None:
    """Measure the challenger beside popularity, and beside the champion where that is another version; log it all."""
    challenger, champion = registry.need(CHALLENGER), registry.by_alias(CHAMPION)
    others = [POPULARITY]
    assessment.add(CHALLENGER, registry.folder(challenger))
    if champion is not None and champion.number != challenger.number:
        assessment.add(CHAMPION, registry.folder(champion))
        others.append(CHAMPION)
        _log(registry, champion, ds, "test_", assessment.metrics(CHAMPION))
    _log(registry, challenger, ds, "test_", assessment.metrics(CHALLENGER))
    _log(registry, challenger, ds, f"{POPULARITY}_", assessment.metrics(POPULARITY))
    for other in others:
        _log(registry, challenger, ds, "test_", assessment.difference(CHALLENGER, other))
    for name in (CHALLENGER, *others):
        told = assessment.metrics(name)
        hits = "  ".join(f"@{key.rpartition('_')[2]} {value:.4f}" for key, value in told.items() if "hit_rate" in key)
        log.info("%-10s HitRate %s  (%s test rows)", name, hits, f"{int(told['rows']):,}")


def _log(registry: Registry, version: Version, ds: date, prefix: str, metrics: dict[str, float]) -> None:
    registry.log(version.run_id, {prefix + name: value for name, value in metrics.items()}, step_of(ds))
