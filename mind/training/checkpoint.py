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
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

log = logging.getLogger("mind")

FORMAT = 1
STEP, EPOCH = "step", "epoch"
ROWS_AT_ONCE = 1 << 16
"""Rows of a divided table that are read at a time."""
NUMBERS_AT_ONCE = 1 << 24
NO_NUMBER = "step %d: a weight is no number; the last good checkpoint is kept"
DAMAGED = "checkpoint %s is missing or damaged; an older one is used, or none"


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


class Part(NamedTuple):
    """A file of one rank's rows of the divided tables, and its checksum."""

    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """A checkpoint: where it stands, and its tensors, of which each rank may take its rows alone."""

    kind: str
    position: Position
    tensors: dict[str, Tensor]
    """Those that every rank held."""
    parts: tuple[Path, ...] = ()
    """Files of the others, by rank: row i is in part i % parts, at i // parts."""
    sums: tuple[str, ...] = ()
    """Checksums of the parts."""

    def names(self) -> set[str]:
        """All tensors."""
        if not self.parts:
            return set(self.tensors)
        with safe_open(self.parts[0], "pt") as file:
            return self.tensors.keys() | set(file.keys())

    def rows(self, name: str, rank: int = 0, ranks: int = 1) -> Tensor:
        """Rows rank, rank + ranks, rank + 2 ranks ... of a tensor, whoever held them; all of it by default."""
        if name in self.tensors:
            return self.tensors[name] if ranks == 1 else self.tensors[name][rank::ranks].contiguous()
        count = len(self.parts)
        with ExitStack() as stack:
            slices = [stack.enter_context(safe_open(part, "pt")).get_slice(name) for part in self.parts]
            total = sum(each.get_shape()[0] for each in slices)
            example = slices[0][:1]
            mine: Tensor = example.new_empty(len(range(rank, total, ranks)), *example.shape[1:])
            for part, held in enumerate(slices):
                if (part - rank) % math.gcd(count, ranks):
                    continue  # none of its rows is asked for
                for first in range(0, held.get_shape()[0], ROWS_AT_ONCE):
                    rows = held[first : first + ROWS_AT_ONCE]
                    place = torch.arange(first, first + len(rows)) * count + part
                    asked = place % ranks == rank
                    mine[place[asked] // ranks] = rows[asked]
            return mine

    def damaged(self, rank: int, ranks: int) -> list[Path]:
        """Of this rank's share of the parts, those that are missing or not as they were written."""
        share = list(zip(self.parts, self.sums, strict=True))[rank::ranks]
        return [part for part, expected in share if not part.exists() or _checksum(part) != expected]


class Checkpoints:
    """The checkpoints in a folder, which is made when the first is saved. One process writes, any may read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(
        self,
        kind: str,
        position: Position,
        tensors: Mapping[str, Tensor],
        ranks: int,
        parts: Sequence[Part] = (),
    ) -> None:
        """Replace the checkpoint of this kind. One with a weight that is no number is not saved: the last good one
        stays.

        Args:
            kind: STEP or EPOCH.
            position: where the training stands.
            tensors: everything else that the next step depends on.
            ranks: how many share the order of rows.
            parts: what `save_part` gave on each rank, by rank; none where no table is divided.
        """
        if not finite(tensors):
            log.warning(NO_NUMBER, position.steps_before)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        data = _whole(self.folder, lambda path: save_file(dict(tensors), path))
        checksum = _checksum(data)
        named = self.folder / f"{kind}-{checksum[:16]}.safetensors"
        os.replace(data, named)
        facts = {"format": FORMAT, "ranks": ranks, "position": dataclasses.asdict(position)}
        facts |= {"file": named.name, "sha256": checksum}
        if parts:
            facts["parts"] = [part._asdict() for part in parts]
        text = json.dumps(facts, allow_nan=False)
        os.replace(_whole(self.folder, lambda path: path.write_text(text)), self.folder / f"{kind}.json")
        _sync(self.folder)
        for old in self.folder.glob(f"{kind}-*.safetensors"):
            if old.name not in (named.name, *(part.file for part in parts)):
                old.unlink(missing_ok=True)

    def save_part(self, kind: str, rank: int, tensors: Mapping[str, Tensor]) -> Part:
        """Write one rank's rows of divided tables. They count once `save` has named them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        data = _whole(self.folder, lambda path: save_file(dict(tensors), path))
        checksum = _checksum(data)
        part = Part(part_name(kind, rank, checksum), checksum)
        os.replace(data, self.folder / part.file)
        _sync(self.folder)
        return part

    def newest(self, ranks: int, without: Collection[str] = ()) -> Found | None:
        """The checkpoint that a training of so many ranks goes on from; None where there is none.

        A damaged one is named in the log and passed over, as are those of the kinds `without`. Files of ranks are not
        looked at: see `Found.damaged`.
        """
        # Of the same step that of the epoch knows more: it was measured.
        held = {kind: self._facts(kind) for kind in (EPOCH, STEP) if kind not in without}
        found = [(kind, facts) for kind, facts in held.items() if facts and _fits(facts, ranks)]
        for kind, facts in sorted(found, key=lambda each: -int(each[1]["position"]["steps_before"])):
            path = self.folder / facts["file"]
            try:
                if _checksum(path) == facts["sha256"]:
                    parts = [Part(**part) for part in facts.get("parts", [])]
                    return Found(
                        kind=kind,
                        position=Position(**facts["position"]),
                        tensors=load_file(path),
                        parts=tuple(self.folder / part.file for part in parts),
                        sums=tuple(part.sha256 for part in parts),
                    )
            except FileNotFoundError:
                pass
            log.warning(DAMAGED, path)
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


def part_name(kind: str, rank: int, checksum: str) -> str:
    """The file of a rank's rows."""
    return f"{kind}-part-{rank}-{checksum[:16]}.safetensors"


def finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether all are numbers."""
    # In pieces: the answer of a whole tensor takes more memory than the tensor.
    pieces = (piece for tensor in tensors.values() for piece in torch.split(tensor.reshape(-1), NUMBERS_AT_ONCE))
    return all(bool(torch.isfinite(piece).all()) for piece in pieces)


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
