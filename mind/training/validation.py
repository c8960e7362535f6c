"""What is measured after each epoch: HitRate over the validation days, and whether the capsules differ."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from mind.config import EvaluationSection
from mind.evaluation import evaluate
from mind.model import MIND, model_health
from mind.tables import names as n
from mind.tables.manifest import Manifest
from mind.training.distributed import Ranks
from mind.training.divided_tables import DividedTables, LookedUp
from mind.training.loader import columns_of, read_split
from mind.training.scoring import ModelScorer, ages_for, check_fits, evaluation_batches, measured_rows
from mind.training.streamed_ranks import streamed_ranks

HEALTH_ROWS = 2048
"""Validation rows whose capsules are looked at after each epoch."""


class Validation:
    """This rank's part of the validation rows of a night, and a model that is measured on them again and again."""

    def __init__(
        self, manifest: Manifest, model: MIND, section: EvaluationSection, ranks: Ranks, tables: DividedTables
    ) -> None:
        check_fits(model, manifest)
        rows = read_split(manifest, "validation", columns_of(manifest))
        held = (torch.from_numpy(np.ascontiguousarray(rows[name])) for name in (n.HISTORY, n.PROFILE, n.TARGET))
        history_BL, profile_BP, target_BF = held
        model.check_batch(history_BL, profile_BP, target_BF, ages_for(model, rows))
        rows = measured_rows(rows, section.filter_seen)
        self._most_rows = -(-len(rows[n.TARGET]) // ranks.count)
        self._rows = {name: array[ranks.rank :: ranks.count] for name, array in rows.items()}
        self._items = manifest.items - 2
        self._model, self._section, self._ranks, self._tables = model, section, ranks, tables

    def metrics(self) -> dict[str, float]:
        """HitRate over the validation rows of all ranks, and the health of the leader's capsules."""
        self._model.eval()
        found = self._target_ranks()
        hits = [float((found <= cutoff).sum()) for cutoff in self._section.cutoffs]
        *hits, count = self._ranks.total([*hits, float(len(found))])
        metrics = {
            f"validation_hit_rate_at_{cutoff}": hit / max(count, 1.0)
            for cutoff, hit in zip(self._section.cutoffs, hits, strict=True)
        }
        return metrics | dict(self._health())

    def _target_ranks(self) -> NDArray[np.int64]:
        size = self._section.batch_size
        batches = evaluation_batches(self._rows, size, self._section.filter_seen)
        if self._tables:
            return streamed_ranks(self._model, self._tables, list(batches), -(-self._most_rows // size), self._items)
        if not len(self._rows[n.TARGET]):
            return np.zeros(0, dtype=np.int64)
        return evaluate(ModelScorer(self._model, self._items), batches, catalogue_size=self._items, block_rows=size)

    def _health(self) -> Iterator[tuple[str, float]]:
        rows = {name: array[:HEALTH_ROWS].copy() for name, array in self._rows.items()}
        part = {name: torch.from_numpy(array) for name, array in rows.items()}
        age_BL = ages_for(self._model, rows)
        if self._tables:
            items = torch.cat([part[n.HISTORY].reshape(-1), part[n.TARGET][:, 0]])
            self._tables.bring(LookedUp(items, part[n.PROFILE]))
        health = model_health(self._model, part[n.HISTORY], part[n.PROFILE], part[n.TARGET][:, 0], age_BL=age_BL)
        for name, value in health.items():
            values = value if isinstance(value, list) else [value]
            for place, number in enumerate(values):
                if math.isfinite(number):
                    yield f"capsule_{name}" + (f"_{place}" if isinstance(value, list) else ""), number
