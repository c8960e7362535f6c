"""Training: epochs over the tuples, the loss of the whole global batch, the best epoch kept.

Shapes: B rows of this rank, L history length, F item features, N negatives.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mind.config import EvaluationSection, ModelSection, TrainingSection
from mind.errors import BrokenPromise
from mind.evaluation import evaluate
from mind.model import MIND, NegativeSampler, generator_for, model_health
from mind.tables import names as n
from mind.tables.manifest import Manifest
from mind.training.distributed import Ranks
from mind.training.loader import TENSORS, Batch, Columns, TupleLoader, read_split
from mind.training.scoring import ModelScorer, evaluation_batches

log = logging.getLogger("mind")

HEALTH_ROWS = 2048
"""Validation rows whose capsules are looked at after each epoch."""

Metrics = dict[str, float]


class Diverged(BrokenPromise):
    """The loss is not a number any more; nothing of this training is kept."""


@dataclass(frozen=True, kw_only=True)
class Night:
    """What a training needs to know of the data: the manifest, the catalogue's codes and its popularity."""

    manifest: Manifest
    item_codes_VF: Tensor
    """Codes by item index, rows 0 and 1 of zeros."""
    counts_V: Tensor
    """Behaviours in the training days by item index."""


def build_model(section: ModelSection, night: Night, seed: int) -> MIND:
    """An untrained model for the night's vocabulary."""
    return MIND(
        item_features_VF=night.item_codes_VF,
        feature_sizes=list(night.manifest.item_features.values()),
        profile_sizes=list(night.manifest.profile_features.values()),
        history_length=night.manifest.history_length,
        seed=seed,
        **section.model_dump(),
    )


class Trainer:
    """One training on one rank. `run` gives the metrics of each epoch and leaves the best weights in `model`."""

    def __init__(
        self,
        night: Night,
        model: MIND,
        training: TrainingSection,
        evaluation: EvaluationSection,
        ranks: Ranks,
    ) -> None:
        self.model, self._ranks, self._training, self._evaluation = model, ranks, training, evaluation
        self._night = night
        self._optimisers = [
            torch.optim.SparseAdam(model.sparse_parameters(), lr=training.learning_rate),
            torch.optim.Adam(model.dense_parameters(), lr=training.learning_rate),
        ]
        self._sampler = NegativeSampler(training.sampler, night.manifest.items, night.counts_V)
        self._loader = TupleLoader(
            night.manifest,
            rank=ranks.rank,
            ranks=ranks.count,
            batch_size=training.batch_size,
            shuffle_rows=training.shuffle_rows,
            seed=training.seed,
        )
        self._step = 0

    def run(self, on_epoch: Callable[[int, Metrics], None]) -> int:
        """Train; call `on_epoch(epoch, metrics)` on every rank after each; return the best epoch (from 1).

        Raises:
            BrokenPromise: the ranks together read other rows than the manifest has.
            Diverged: the loss became infinite or no number, on any rank.
        """
        validation = self._validation()
        best: tuple[float, int, dict[str, Tensor]] = (-1.0, 0, {})
        for epoch in range(1, self._training.epochs + 1):
            started = time.monotonic()
            loss, rows = self._epoch(epoch)
            self._night.manifest.check_rows("train", rows)
            metrics = {"loss": loss, "rows_per_second": rows / (time.monotonic() - started)}
            metrics |= self._validate(validation)
            on_epoch(epoch, metrics)
            reached = metrics[self._main_metric]
            if reached > best[0]:
                best = (
                    reached,
                    epoch,
                    {name: value.clone() for name, value in self.model.state_dict().items()},
                )
        self.model.load_state_dict(best[2])
        return best[1]

    @property
    def _main_metric(self) -> str:
        return f"validation_hit_rate_at_{self._evaluation.main_cutoff}"

    def _epoch(self, epoch: int) -> tuple[float, int]:
        """Mean loss and rows of the epoch, over all ranks."""
        self.model.train()
        total, rows = 0.0, 0
        for step, batch in enumerate(self._loader.epoch(epoch)):
            self._step += 1
            loss_B = self._losses(batch, epoch, step)
            # Gradients are summed over ranks, so this is the mean over the rows of all of them.
            loss = loss_B.sum() / batch.global_rows
            for optimiser in self._optimisers:
                optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            self._ranks.sum_gradients(self.model.sparse_parameters(), self.model.dense_parameters())
            step_loss, step_rows = self._ranks.total([float(loss_B.detach().sum()), len(loss_B)])
            if not math.isfinite(step_loss):
                raise Diverged(
                    f"the loss is {step_loss} in epoch {epoch}, step {step}; no weights were kept and nothing is "
                    "registered. Lower training.learning_rate, or look for a broken feature in the tuples."
                )
            for optimiser in self._optimisers:
                optimiser.step()
            total, rows = total + step_loss, rows + int(step_rows)
        return total / max(rows, 1), rows

    def _losses(self, batch: Batch, epoch: int, step: int) -> Tensor:
        target_BF = torch.from_numpy(batch.target_BF)
        per_rank = self._training.batch_size // self._ranks.count
        in_batch = self._training.sampler in ("in_batch", "mixed")
        targets = self._ranks.gathered(target_BF[:, 0], per_rank) if in_batch else None
        drawn = self._sampler.draw(self._training.negatives, generator_for(self._training.seed, epoch, step), targets)
        losses: Tensor = self.model(
            torch.from_numpy(batch.history_BL),
            torch.from_numpy(batch.profile_BP),
            target_BF,
            drawn.items_N,
            drawn.log_expected_N,
            self._step,
        )
        return losses

    def _validation(self) -> Columns:
        """This rank's part of the validation rows."""
        rows = read_split(self._night.manifest, "validation", TENSORS)
        self.model.check_batch(
            *(torch.from_numpy(np.ascontiguousarray(rows[name])) for name in (n.HISTORY, n.PROFILE, n.TARGET))
        )
        return {name: array[self._ranks.rank :: self._ranks.count] for name, array in rows.items()}

    def _validate(self, rows: Columns) -> Metrics:
        """HitRate over the validation rows of all ranks, and the health of the leader's capsules."""
        self.model.eval()
        size = self._night.manifest.items - 2
        found = self._target_ranks(rows, size)
        hits = [float((found <= cutoff).sum()) for cutoff in self._evaluation.cutoffs]
        *hits, count = self._ranks.total([*hits, float(len(found))])
        metrics = {
            f"validation_hit_rate_at_{cutoff}": hit / max(count, 1.0)
            for cutoff, hit in zip(self._evaluation.cutoffs, hits, strict=True)
        }
        return metrics | dict(self._health(rows))

    def _target_ranks(self, rows: Columns, size: int) -> NDArray[np.int64]:
        batches = evaluation_batches(rows, self._evaluation.batch_size)
        scorer = ModelScorer(self.model, size)
        return (
            evaluate(scorer, batches, catalogue_size=size, block_rows=self._evaluation.batch_size)
            if len(rows[n.TARGET])
            else np.zeros(0, dtype=np.int64)
        )

    def _health(self, rows: Columns) -> Iterator[tuple[str, float]]:
        part = {name: torch.from_numpy(array[:HEALTH_ROWS].copy()) for name, array in rows.items()}
        health = model_health(self.model, part[n.HISTORY], part[n.PROFILE], part[n.TARGET][:, 0])
        for name, value in health.items():
            values = value if isinstance(value, list) else [value]
            for place, number in enumerate(values):
                if math.isfinite(number):
                    yield f"capsule_{name}" + (f"_{place}" if isinstance(value, list) else ""), number
