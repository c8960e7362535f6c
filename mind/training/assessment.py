"""Challenger, champion and popularity on the test days of one night: the same rows, the same evaluator.

Shapes: R test rows.
"""

from __future__ import annotations

import logging
import re
from datetime import date
from pathlib import Path

from mind.evaluation import (
    COLD,
    Measured,
    breakdown,
    catalogue_coverage,
    gini,
    hit_values,
    length_buckets,
    paired_bootstrap,
    popularity_deciles,
    summary,
    top_share,
)
from mind.tracking.promotion import POPULARITY
from mind.tracking.registry import CHALLENGER, CHAMPION, Registry, Version
from mind.training.yardstick import Rows

log = logging.getLogger("mind")

HIT_RATE = re.compile(r"hit_rate_at_\d+")


def step_of(ds: date) -> int:
    """The MLflow step under which a night's test metrics are logged: a model may be tested on many nights."""
    return ds.toordinal()


class Assessment:
    """What models, and popularity, reach on the test rows of a night."""

    def __init__(self, rows: Rows) -> None:
        self._rows, stick = rows, rows.yardstick
        self._section = stick.section
        self._decile_R = popularity_deciles(stick.counts_V, stick.tie_order_V)[rows.target_R]
        self._length_R = length_buckets(rows.length_R)
        self._found: dict[str, Measured] = {POPULARITY: rows.measure(None)}

    def add(self, name: str, folder: Path) -> None:
        """Measure the model in a folder under a name."""
        self._found[name] = self._rows.measure(folder)

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
        found = paired_bootstrap(ours, theirs, groups=self._rows.user_R, seed=1)
        key = f"over_{other}_hit_rate_at_{at}"
        return {key: found.difference, f"{key}_low": found.low, f"{key}_high": found.high}


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
