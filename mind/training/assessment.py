"""Challenger, champion and popularity on the test days of one night: the same rows, the same evaluator.

Shapes: R test rows, V items of the catalogue.
"""

from __future__ import annotations

import logging
import re
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mind.config import EvaluationSection
from mind.evaluation import (
    COLD,
    Measured,
    breakdown,
    catalogue_coverage,
    gini,
    hit_values,
    length_buckets,
    measure,
    paired_bootstrap,
    popularity_deciles,
    summary,
    top_share,
)
from mind.evaluation.evaluator import Scorer
from mind.model import load
from mind.tables import names as n
from mind.tables.manifest import Manifest
from mind.tracking.promotion import POPULARITY
from mind.tracking.registry import CHALLENGER, CHAMPION, Registry, Version
from mind.training.loader import Columns, columns_of, read_split
from mind.training.scoring import (
    FIRST_ITEM,
    ModelScorer,
    PopularityScorer,
    check_fits,
    evaluation_batches,
    measured_rows,
)

log = logging.getLogger("mind")

HIT_RATE = re.compile(r"hit_rate_at_\d+")


def step_of(ds: date) -> int:
    """The MLflow step under which a night's test metrics are logged: a model may be tested on many nights."""
    return ds.toordinal()


class Assessment:
    """The test rows of a night and what is needed to score them.

    Args:
        manifest: of the night.
        counts_V: behaviours in the training days by catalogue position: the popularity baseline.
        tie_order_V: place of each catalogue position in the order of item ids; ties in score go by it.
        section: cutoffs, batch size, whether seen items are filtered.
    """

    def __init__(
        self,
        manifest: Manifest,
        counts_V: NDArray[np.int64],
        tie_order_V: NDArray[np.int64],
        section: EvaluationSection,
    ) -> None:
        held: Columns = read_split(manifest, "test", (*columns_of(manifest), n.USER_ID))
        self._rows = measured_rows(held, section.filter_seen)
        if section.filter_seen:
            left_out = len(held[n.TARGET]) - len(self._rows[n.TARGET])
            log.info("%s test rows left out: their target is in the history", f"{left_out:,}")
        self._manifest = manifest
        self._counts, self._ties, self._section = counts_V, tie_order_V, section
        target_R = self._rows[n.TARGET][:, 0] - FIRST_ITEM
        self._decile_R = popularity_deciles(counts_V, tie_order_V)[target_R]
        self._length_R = length_buckets(np.count_nonzero(self._rows[n.HISTORY], axis=1))
        self._found: dict[str, Measured] = {POPULARITY: self._measure(PopularityScorer(counts_V), None)}

    def add(self, name: str, folder: Path) -> None:
        """Measure the model in a folder under a name.

        Raises:
            BrokenPromise: the model takes behaviours' ages and the tuples have none.
        """
        model, _ = load(folder)
        check_fits(model, self._manifest)
        scorer = ModelScorer(model, len(self._counts))
        vectors_VD = scorer.known_vectors_VD
        # Lists that reach into what the model does not know have no diversity: those items have no vector.
        reach = self._section.main_cutoff + self._rows[n.HISTORY].shape[1] * self._section.filter_seen
        self._found[name] = self._measure(scorer, vectors_VD if len(vectors_VD) >= reach else None)

    def metrics(self, name: str) -> dict[str, float]:
        """HitRate, NDCG and MRR at the cutoffs; at the main cutoff also what the lists hold, and HitRate by group.

        coverage_at_N, gini_at_N, top_1_per_cent_share_at_N: of the lists of all test rows. diversity_at_N: mean
        1 - cosine inside a list, in the model's own item vectors. hit_rate_at_N_decile_01 (the most chosen tenth of the
        items) to _10, _cold (target never chosen in the training days), and _history_from_01, _02, _04 ... (histories
        that are at least so long, and less than twice), each with its rows.
        """
        found, at = self._found[name], self._section.main_cutoff
        told = summary(found.ranks_R, self._section.cutoffs)
        told[f"coverage_at_{at}"] = catalogue_coverage(found.exposures_V)
        told[f"gini_at_{at}"] = gini(found.exposures_V)
        told[f"top_1_per_cent_share_at_{at}"] = top_share(found.exposures_V)
        if found.diversity_R is not None and at > 1:
            told[f"diversity_at_{at}"] = float(found.diversity_R.mean())
        hits_R = hit_values(found.ranks_R, at)
        for decile, part in breakdown(hits_R, self._decile_R).items():
            group = "cold" if decile == COLD else f"decile_{decile:02}"
            told |= {f"hit_rate_at_{at}_{group}": part.mean, f"rows_{group}": float(part.rows)}
        for length, part in breakdown(hits_R, self._length_R).items():
            group = f"history_from_{length:02}"
            told |= {f"hit_rate_at_{at}_{group}": part.mean, f"rows_{group}": float(part.rows)}
        return told

    def difference(self, name: str, other: str) -> dict[str, float]:
        """HitRate at the main cutoff of `name` minus that of `other`, with a 95 % interval over users."""
        at = self._section.main_cutoff
        ours, theirs = hit_values(self._found[name].ranks_R, at), hit_values(self._found[other].ranks_R, at)
        found = paired_bootstrap(ours, theirs, groups=self._rows[n.USER_ID], seed=1)
        key = f"over_{other}_hit_rate_at_{at}"
        return {key: found.difference, f"{key}_low": found.low, f"{key}_high": found.high}

    def _measure(self, scorer: Scorer, item_vectors_VD: NDArray[np.float32] | None) -> Measured:
        return measure(
            scorer,
            evaluation_batches(self._rows, self._section.batch_size, self._section.filter_seen),
            catalogue_size=len(self._counts),
            list_length=self._section.main_cutoff,
            item_vectors_VD=item_vectors_VD,
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
        hits = "  ".join(
            f"@{key.rpartition('_')[2]} {value:.4f}" for key, value in told.items() if HIT_RATE.fullmatch(key)
        )
        log.info("%-10s HitRate %s  (%s test rows)", name, hits, f"{int(told['rows']):,}")


def _log(registry: Registry, version: Version, ds: date, prefix: str, metrics: dict[str, float]) -> None:
    registry.log(version.run_id, {prefix + name: value for name, value in metrics.items()}, step_of(ds))
