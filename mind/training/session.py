"""One training from the tuples to a registered version, on every rank of it."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from mind.config import EvaluationSection, ModelSection, TrainingSection
from mind.model import MIND, save
from mind.tables.manifest import Manifest
from mind.tracking.lineage import code_and_environment, data_and_protocol
from mind.tracking.registry import CHALLENGER, TRAINING_KEY, Registry
from mind.training.checkpoint import Checkpoints
from mind.training.distributed import ranks
from mind.training.divided_tables import table_maker
from mind.training.night import checkpoint_folder, training_key
from mind.training.trainer import Metrics, Night, Trainer, architecture_of, build_model
from mind.training.warm_start import Start, start_of

log = logging.getLogger("mind")


def train_and_register(
    night: Night,
    ds: date,
    registry: Registry,
    model: ModelSection,
    training: TrainingSection,
    evaluation: EvaluationSection,
    settings: Mapping[str, Any],
) -> None:
    """Train on all ranks; the leader logs, saves and registers; `settings` is the configuration as it is kept with the
    run (`lineage.resolved`). A version made from the same is used again, and a training that was killed goes on from
    its checkpoint, which is removed when the version is registered."""
    with ranks(training.threads_per_process) as group:
        start = Start()
        if training.warm_start:
            planned = architecture_of(model, night.manifest, training.seed)
            start = start_of(registry, ds, night.manifest, planned, group)
        key = training_key(night.manifest, model, training, start.number)
        checkpoints = Checkpoints(checkpoint_folder(night.manifest, model, training, start.number))
        held = registry.by_key(key) if group.leads else None
        if group.agreed(held is not None):
            if held is not None:
                checkpoints.remove()
                registry.point(CHALLENGER, held.number)
                log.info(
                    "version %s was trained from the same tuples and configuration; it is used again",
                    held.number,
                )
            return
        network = build_model(model, night, training.seed, table_maker(training.shard_rows, group))
        start.give(network, group)
        trainer = Trainer(night, network, training, evaluation, group, checkpoints)
        if not group.leads:
            trainer.run(lambda epoch, metrics: None)
            return
        params = {**model.model_dump(), **training.model_dump(), "ds": ds.isoformat()}
        tags = {
            TRAINING_KEY: key,
            **data_and_protocol(night.manifest, evaluation.cutoffs, evaluation.filter_seen),
            **code_and_environment(),
            "seed": str(training.seed),
            "started_from": str(start.number) if start.number else "nothing",
        }
        log.info(
            "%s rows, %s items, %d ranks",
            f"{night.manifest.rows('train'):,}",
            f"{night.manifest.items - 2:,}",
            group.count,
        )
        if training.shard_rows:
            log.info("%d of the tables are divided among the ranks", trainer.divided_tables)
        with registry.run(f"train {ds}", params, tags) as run_id:
            registry.add_json(run_id, "configuration.json", settings)
            best = trainer.run(lambda epoch, metrics: _report(registry, run_id, training, epoch, metrics, evaluation))
            _keep(registry, run_id, network, night.manifest, {**tags, "best_epoch": str(best)})
        checkpoints.remove()


def _report(
    registry: Registry,
    run_id: str,
    training: TrainingSection,
    epoch: int,
    metrics: Metrics,
    section: EvaluationSection,
) -> None:
    registry.log(run_id, metrics, epoch)
    main = f"hit_rate_at_{section.main_cutoff}"
    log.info(
        "epoch %d/%d  loss %.4f  validation HitRate@%d %.4f  capsule cosine %.2f  %s rows/s",
        *(epoch, training.epochs, metrics["loss"], section.main_cutoff, metrics[f"validation_{main}"]),
        *(metrics.get("capsule_mean_cosine", float("nan")), f"{metrics['rows_per_second']:,.0f}"),
    )


def _keep(registry: Registry, run_id: str, network: MIND, manifest: Manifest, tags: dict[str, str]) -> None:
    facts = {
        "vocabulary": manifest.vocabulary,
        "item_features": list(manifest.item_features),
        "profile_features": list(manifest.profile_features),
        "tuples": manifest.content,
        "history_days": manifest.history_days,
        "ds": manifest.ds,
    }
    with tempfile.TemporaryDirectory() as folder:
        description = save(network, folder, facts)
        registry.add_files(run_id, Path(folder))
    # Ranks outlive a launcher that was killed: the same training may have been started again, and ended first.
    held = registry.by_key(tags[TRAINING_KEY])
    if held is not None:
        log.info("version %s was registered from the same training meanwhile; it is used", held.number)
        return
    version = registry.register(run_id, {**tags, "weights_sha256": description["weights_sha256"]})
    log.info("version %s registered as %s, best epoch %s", version.number, CHALLENGER, tags["best_epoch"])
