"""Started by torchrun, one process a rank: trains with divided tables and with whole ones, and writes down both.

torchrun --nproc-per-node=N -m tests.training.train_divided NIGHT_FOLDER DS OUT_FOLDER train|go_on
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from torch import Tensor

from mind.config import load
from mind.model import MIND, save
from mind.storage.tuple_files import read_catalogue, read_manifest
from mind.training.checkpoint import Checkpoints, Part, Position
from mind.training.distributed import Ranks, ranks
from mind.training.divided_tables import table_maker
from mind.training.night import night_of
from mind.training.trainer import Night, Trainer, build_model
from tests.training.small_night import ITEMS

KINDS = {
    "uniform": ("training.sampler=uniform",),
    "in_batch": ("training.sampler=in_batch", "model.hidden_sizes=[]"),
    "mixed": ("training.sampler=mixed", "evaluation.filter_seen=true", "evaluation.batch_size=4"),
    "ages": ("model.behaviour_time=true",),
    "log_uniform": ("training.sampler=log_uniform", "model.negatives_scored_by=chosen", "model.routing_start=normal"),
}
"""Trainings that are made twice."""
DIVIDED = {"items": 5, "all": 1}
"""Least rows of a divided table: those of items and colours, or that of countries too."""
CUTS = (2, 4)
"""Saves before a training is cut off: inside its first epoch of three steps, and at its end."""


class PowerCut(Exception):
    """Stands for the end of the process."""


class CutOff(Checkpoints):
    """Ends the training on every rank before a file of its rows counts, at its place after so many."""

    def __init__(self, folder: Path, after: int) -> None:
        super().__init__(folder)
        self._left = after

    def save_part(self, kind: str, rank: int, tensors: Mapping[str, Tensor]) -> Part:
        part = super().save_part(kind, rank, tensors)
        self._left -= 1
        if self._left < 0:
            raise PowerCut
        return part

    def save(
        self, kind: str, position: Position, tensors: Mapping[str, Tensor], ranks: int, parts: Sequence[Part] = ()
    ) -> None:
        assert len(parts) == ranks
        assert not any("item_embedding" in name for name in tensors)
        super().save(kind, position, tensors, ranks, parts)


class Training:
    """One night's trainings on one rank."""

    def __init__(self, folder: Path, ds: date, out: Path, group: Ranks) -> None:
        self._folder, self._out, self._group = folder, out, group
        manifest = read_manifest(load([folder / "night.toml"]).lake.root, ds)
        self._night: Night = night_of(manifest, read_catalogue(manifest))

    def run(self, name: str, shard_rows: int, changes: Sequence[str], checkpoints: Checkpoints | None = None) -> None:
        """Train, and let the leader write down weights, curve and model files."""
        changes = (*changes, f"training.shard_rows={shard_rows}", "training.checkpoint_steps=1")
        config = load([self._folder / "night.toml"], changes)
        maker = table_maker(config.training.shard_rows, self._group)
        network = build_model(config.model, self._night, config.training.seed, maker)
        rows = len(network.item_embedding.tables[0].get_parameter("weight"))
        assert rows == ITEMS // (self._group.count if shard_rows else 1)
        curve: list[dict[str, float]] = []
        trainer = Trainer(self._night, network, config.training, config.evaluation, self._group, checkpoints)
        best = trainer.run(lambda epoch, found: curve.append(found))
        if self._group.leads:
            self._write(name, network, best, curve)

    def _write(self, name: str, network: MIND, best: int, curve: list[dict[str, float]]) -> None:
        clock = ("rows_per_second", "data_wait_share")
        told = [{key: value for key, value in epoch.items() if key not in clock} for epoch in curve]
        save(network, self._out / name, {})
        (self._out / name / "curve.json").write_text(json.dumps({"best": best, "epochs": told}))

    def compare(self) -> None:
        """Every kind of training, with whole tables and with divided ones."""
        for kind, changes in KINDS.items():
            self.run(f"{kind}-whole", 0, changes)
            for name, least in DIVIDED.items():
                self.run(f"{kind}-{name}", least, changes)

    def cut_off(self) -> None:
        """A training that is cut off and goes on."""
        for after in CUTS:
            held = self._out / f"checkpoints-{after}"
            try:
                self.run("never", 1, (), CutOff(held, after))
            except PowerCut:
                # Both have written their rows.
                self._group.total([0.0])
            if self._group.leads:
                shutil.copytree(held, self._out / f"kept-{after}")
            self._group.total([0.0])
            self.run(f"continued-{after}", 1, (), Checkpoints(held))

    def go_on(self) -> None:
        """From copies of a checkpoint."""
        for name, least in {"whole": 0, **DIVIDED}.items():
            ranks = self._group.count
            self.run(f"from-{ranks}-{name}", least, (), Checkpoints(self._out / f"copy-{ranks}-{name}"))


def main() -> None:
    folder, ds, out, mode = Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    with ranks(1) as group:
        training = Training(folder, ds, out, group)
        if mode == "train":
            training.compare()
            training.cut_off()
        else:
            training.go_on()


if __name__ == "__main__":
    main()
