"""Training: epochs over the tuples, the loss of the whole global batch, the best epoch kept.

Shapes: B rows of this rank, L history length, F item features, N negatives.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial

import torch
from torch import Tensor

from mind.config import EvaluationSection, ModelSection, TrainingSection
from mind.errors import BrokenPromise
from mind.model import MIND, Architecture, NegativeSampler, TableMaker, generator_for, whole_table
from mind.tables.manifest import Manifest
from mind.training.adam import Adam
from mind.training.checkpoint import EPOCH, STEP, Checkpoints, Position
from mind.training.distributed import Ranks
from mind.training.divided_checkpoint import newest_of_all, save_divided
from mind.training.divided_tables import DividedTables, LookedUp
from mind.training.loader import Batch, TupleLoader
from mind.training.prefetch import ahead
from mind.training.validation import Validation

log = logging.getLogger("mind")

Metrics = dict[str, float]


class Diverged(BrokenPromise):
    """The loss is not a number any more; nothing of this training is registered."""


@dataclass(frozen=True, kw_only=True)
class Night:
    """What a training needs to know of the data: the manifest, the catalogue's codes and its popularity."""

    manifest: Manifest
    item_codes_VF: Tensor
    """Codes by item index, rows 0 and 1 of zeros."""
    counts_V: Tensor
    """Behaviours in the training days by item index."""


def architecture_of(section: ModelSection, manifest: Manifest, seed: int) -> Architecture:
    """What a model for the night's vocabulary is, without its weights."""
    return Architecture(
        feature_sizes=tuple(manifest.item_features.values()),
        profile_sizes=tuple(manifest.profile_features.values()),
        history_length=manifest.history_length,
        seed=seed,
        **section.model_dump(),
    )


def build_model(section: ModelSection, night: Night, seed: int, table: TableMaker = whole_table) -> MIND:
    """An untrained model for the night's vocabulary; `table` makes its tables."""
    given = architecture_of(section, night.manifest, seed)
    arguments = {field.name: getattr(given, field.name) for field in fields(given)}
    return MIND(item_features_VF=night.item_codes_VF, table=table, **arguments)


class Trainer:
    """One training on one rank. `run` gives the metrics of each epoch and leaves the best weights in `model`; where its
    tables are divided, the leader's is whole then and those of the others are not."""

    def __init__(
        self,
        night: Night,
        model: MIND,
        training: TrainingSection,
        evaluation: EvaluationSection,
        ranks: Ranks,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.model, self._ranks, self._training, self._evaluation = model, ranks, training, evaluation
        self._night, self._checkpoints = night, checkpoints
        self._tables = DividedTables(model, ranks)
        self._optimiser = Adam(model.sparse_parameters(), model.dense_parameters(), training.learning_rate)
        self._sampler = NegativeSampler(training.sampler, night.manifest.items, night.counts_V)
        self._loader = TupleLoader(
            night.manifest,
            rank=ranks.rank,
            ranks=ranks.count,
            batch_size=training.batch_size,
            shuffle_rows=training.shuffle_rows,
            seed=training.seed,
            ages=model.architecture.behaviour_time,
        )
        self._at = Position()
        self._best: dict[str, Tensor] = {}

    @property
    def divided_tables(self) -> int:
        """How many tables are divided among the ranks."""
        return len(self._tables.parameters)

    def run(self, on_epoch: Callable[[int, Metrics], None]) -> int:
        """Train from the newest checkpoint, or from the start; return the best epoch (from 1).

        Args:
            on_epoch: called with (epoch, metrics) on every rank after each epoch; for the epochs of a killed training
                that this one goes on from too, before the first of its own.

        Raises:
            BrokenPromise: the ranks together read other rows than the manifest has, or see other checkpoints.
            Diverged: the loss became infinite or no number, on any rank.
        """
        validation = Validation(self._night.manifest, self.model, self._evaluation, self._ranks, self._tables)
        self._resume()
        for epoch, metrics in enumerate(self._at.epochs, start=1):
            on_epoch(epoch, metrics)
        while self._at.epoch <= self._training.epochs:
            metrics = self._epoch()
            self._end_epoch(metrics | validation.metrics())
            on_epoch(self._at.epoch - 1, self._at.epochs[-1])
        self._load(self._best)
        self._tables.gather()
        return self._at.best_epoch

    def _end_epoch(self, metrics: Metrics) -> None:
        at, reached = self._at, metrics[f"validation_hit_rate_at_{self._evaluation.main_cutoff}"]
        if reached > at.best_reached:
            at.best_reached, at.best_epoch = reached, at.epoch
            self._best = {name: value.detach().clone() for name, value in self.model.named_parameters()}
        at.epochs.append(metrics)
        at.epoch, at.step, at.loss_sum, at.rows = at.epoch + 1, 0, 0.0, 0
        self._save(EPOCH)

    def _load(self, weights: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(weights[name])

    def _save(self, kind: str) -> None:
        """The leader writes what every rank holds, the same bits on all; each rank its own rows of divided tables."""
        if self._checkpoints is None:
            return
        parts: dict[str, Mapping[str, Tensor]] = {
            "model": dict(self.model.named_parameters()),
            "best": self._best,
            "optimiser": self._optimiser.state(),
        }
        tensors = {f"{part}.{name}": value.detach() for part, held in parts.items() for name, value in held.items()}
        if self._tables:
            save_divided(self._checkpoints, kind, self._at, tensors, self._ranks, self._divided_names())
        elif self._ranks.leads:
            self._checkpoints.save(kind, self._at, tensors, self._ranks.count)

    def _resume(self) -> None:
        if self._checkpoints is None:
            return
        found = newest_of_all(self._checkpoints, self._ranks)
        if found is None:
            return
        self._at = found.position
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimiser": {}}
        divided = self._divided_names()
        for name in found.names():
            part, _, rest = name.partition(".")
            parts[part][rest] = (
                found.rows(name, self._ranks.rank, self._ranks.count) if name in divided else found.rows(name)
            )
        self._load(parts["model"])
        self._best = parts["best"]
        self._optimiser.restore(parts["optimiser"])
        if self._ranks.leads:
            log.info("going on from the checkpoint of epoch %d, step %d", self._at.epoch, self._at.step)

    def _divided_names(self) -> set[str]:
        """Of the tensors of a checkpoint, those of which this rank holds some rows."""
        divided = self._tables.parameters
        names = {name for name, value in self.model.named_parameters() if id(value) in divided}
        tables = [place for place, table in enumerate(self.model.sparse_parameters()) if id(table) in divided]
        return {f"{part}.{name}" for part in ("model", "best") for name in names} | {
            f"optimiser.{Adam.table_name(place)}" for place in tables
        }

    def _epoch(self) -> Metrics:
        """The rest of the epoch that the training stands in."""
        self.model.train()
        at, started, rows_before = self._at, time.monotonic(), self._at.rows
        waited = 0.0
        with ahead(partial(self._loader.epoch, at.epoch, at.step), self._training.batches_ahead) as batches:
            while True:
                asked = time.monotonic()
                batch = next(batches, None)
                waited += time.monotonic() - asked
                if batch is None:
                    break
                loss, rows = self.step(batch)
                at.loss_sum, at.rows, at.step = at.loss_sum + loss, at.rows + rows, at.step + 1
                if at.steps_before % self._training.checkpoint_steps == 0:
                    self._save(STEP)
        self._night.manifest.check_rows("train", at.rows)
        took = time.monotonic() - started
        return {
            "loss": at.loss_sum / max(at.rows, 1),
            "rows_per_second": (at.rows - rows_before) / took,
            "data_wait_share": waited / took,
        }

    def step(self, batch: Batch) -> tuple[float, int]:
        """One step of all ranks; the sum of their losses and their rows."""
        self._at.steps_before += 1
        loss_B = self._losses(batch)
        # Gradients are summed over ranks, so this is the mean over the rows of all of them.
        torch.autograd.backward(loss_B.sum() / batch.global_rows)
        self._ranks.sum_gradients(self._tables.whole(), self.model.dense_parameters())
        self._tables.return_gradients()
        loss, rows = self._ranks.total([float(loss_B.detach().sum()), len(loss_B)])
        if not math.isfinite(loss):
            raise Diverged(
                f"the loss is {loss} in epoch {self._at.epoch}, step {self._at.step}; nothing is registered, and the "
                "last good checkpoint is kept. Lower training.learning_rate, or look for a broken feature in the "
                "tuples."
            )
        self._optimiser.step()
        return loss, int(rows)

    def _losses(self, batch: Batch) -> Tensor:
        target_BF = torch.from_numpy(batch.target_BF)
        per_rank = self._training.batch_size // self._ranks.count
        in_batch = self._training.sampler in ("in_batch", "mixed")
        targets = self._ranks.gathered(target_BF[:, 0], per_rank) if in_batch else None
        generator = generator_for(self._training.seed, self._at.epoch, self._at.step)
        drawn = self._sampler.draw(self._training.negatives, generator, targets)
        history_BL, profile_BP = torch.from_numpy(batch.history_BL), torch.from_numpy(batch.profile_BP)
        next_BE = None if batch.next_BE is None else torch.from_numpy(batch.next_BE)
        if self._tables:
            items = [history_BL.reshape(-1), target_BF[:, 0], drawn.items_N]
            items += [] if next_BE is None else [next_BE.reshape(-1)]
            self._tables.bring(LookedUp(torch.cat(items), profile_BP, target_BF))
        losses: Tensor = self.model(
            history_BL,
            profile_BP,
            target_BF,
            drawn.items_N,
            drawn.log_expected_N,
            self._at.steps_before,
            age_BL=None if batch.age_BL is None else torch.from_numpy(batch.age_BL),
            next_BE=next_BE,
        )
        return losses
