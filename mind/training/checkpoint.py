"""Checkpoints of one training: weights, optimiser, order and position, so that a killed training goes on.

A folder holds at most two: `step`, inside an epoch, and `epoch`, at the end of the last whole one. Each is a
safetensors file and a JSON file that names it with its checksum. The JSON is written last and replaced in one step,
so a checkpoint is there whole or not at all. Nothing is pickled.

What is promised: with the same number of ranks a training goes on at the step that was saved, and rows, loss and
weights are those of an unbroken run, to the bit. With another number the order of rows inside an epoch is another, so
it goes on after the last whole epoch: every epoch still reads every row once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

log = logging.getLogger("mind")

FORMAT = 1
STEP, EPOCH = "step", "epoch"


@dataclass(kw_only=True)
class Position:
    """Where a training stands: before step `step` (from 0) of epoch `epoch` (from 1)."""

    epoch: int = 1
    step: int = 0
    steps_before: int = 0
    """Steps since the training began."""
    loss_sum: float = 0.0
    """Of the rows of this epoch so far, over all ranks."""
    rows: int = 0
    best_epoch: int = 0
    best_reached: float = -1.0
    epochs: list[dict[str, float]] = field(default_factory=list)
    """Metrics of the epochs that are done."""


class Checkpoints:
    """The checkpoints in a folder, which is made when the first is saved. One process writes, any may read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, kind: str, position: Position, tensors: Mapping[str, Tensor], ranks: int) -> None:
        """Replace the checkpoint of this kind. One with a weight that is no number is not saved: the last good one
        stays.

        Args:
            kind: STEP or EPOCH.
            position: where the training stands.
            tensors: everything else that the next step depends on.
            ranks: how many share the order of rows.
        """
        if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
            log.warning("step %d: a weight is no number; the last good checkpoint is kept", position.steps_before)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        data = _whole(self.folder, lambda path: save_file(dict(tensors), path))
        checksum = _checksum(data)
        named = self.folder / f"{kind}-{checksum[:16]}.safetensors"
        os.replace(data, named)
        facts = {"format": FORMAT, "ranks": ranks, "position": dataclasses.asdict(position)}
        text = json.dumps(facts | {"file": named.name, "sha256": checksum}, allow_nan=False)
        os.replace(_whole(self.folder, lambda path: path.write_text(text)), self.folder / f"{kind}.json")
        _sync(self.folder)
        for old in self.folder.glob(f"{kind}-*.safetensors"):
            if old != named:
                old.unlink(missing_ok=True)

    def newest(self, ranks: int) -> tuple[Position, dict[str, Tensor]] | None:
        """The checkpoint that a training of so many ranks goes on from; None where there is none.

        A damaged one is named in the log and passed over.
        """
        # Of the same step that of the epoch knows more: it was measured.
        found = [facts for facts in map(self._facts, (EPOCH, STEP)) if facts and _fits(facts, ranks)]
        for facts in sorted(found, key=lambda facts: -int(facts["position"]["steps_before"])):
            path = self.folder / facts["file"]
            try:
                if _checksum(path) == facts["sha256"]:
                    return Position(**facts["position"]), load_file(path)
            except FileNotFoundError:
                pass
            log.warning("checkpoint %s is missing or damaged; an older one is used, or none", path)
        return None

    def remove(self) -> None:
        """Forget them: the training is registered."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _facts(self, kind: str) -> dict[str, Any] | None:
        path = self.folder / f"{kind}.json"
        try:
            facts: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            log.warning("checkpoint %s is no JSON; an older one is used, or none", path)
            return None
        return facts if facts["format"] == FORMAT else None


def _fits(facts: Mapping[str, Any], ranks: int) -> bool:
    return bool(facts["position"]["step"] == 0 or facts["ranks"] == ranks)


def _whole(folder: Path, write: Callable[[Path], object]) -> Path:
    """A file under a name of its own, written and on the disk."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=".new-")
    os.close(handle)
    path = Path(name)
    try:
        write(path)
        _sync(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
