"""What a training reads beside the tuples, and the key by which its result is known."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from mind.config import ModelSection, TrainingSection
from mind.errors import BrokenPromise
from mind.tables import names as n
from mind.tables.manifest import Manifest
from mind.training.scoring import FIRST_ITEM
from mind.training.trainer import Night

FORMAT = "3"
"""Raised when the training code changes what it makes from the same data and configuration."""


def night_of(manifest: Manifest, catalogue: pa.Table) -> Night:
    """The catalogue as tensors by item index.

    Raises:
        BrokenPromise: an item is missing from the catalogue or stands in it twice.
    """
    index = catalogue[n.ITEM_INDEX].to_numpy()
    if not np.array_equal(np.unique(index), index) or (len(index) and index[-1] >= manifest.items):
        raise BrokenPromise("the catalogue beside the tuples repeats or lacks items; run build_tuples again")
    codes = np.zeros((manifest.items, len(manifest.item_features)), dtype=np.int32)
    # A vocabulary that grew on a later night holds items that this night's catalogue lacks: they keep their own row.
    codes[1:, 0] = np.arange(1, manifest.items)
    codes[index] = np.array(catalogue[n.ITEM_CODES].to_pylist(), dtype=np.int32).reshape(len(index), -1)
    counts = np.zeros(manifest.items, dtype=np.int64)
    counts[index] = catalogue[n.BEHAVIOURS].to_numpy()
    return Night(manifest=manifest, item_codes_VF=torch.from_numpy(codes), counts_V=torch.from_numpy(counts))


ELSEWHERE = {"checkpoints", "checkpoint_steps", "batches_ahead"}
"""Keys of [training] that do not change what is learned."""
SPREAD = {"processes", "threads_per_process"}
"""Keys that change only in which order the same sums are made."""
LATER = {"shard_rows": 0}
"""Keys that there were not always, left out at this value: a version from before them is found again."""


def training_key(manifest: Manifest, model: ModelSection, training: TrainingSection, start: int) -> str:
    """What a model is made from: equal keys, equal weights. `start` is the number of the version that it goes on
    from, 0 for none."""
    later = {key for key, value in LATER.items() if getattr(training, key) == value}
    return _digest(manifest, model, training.model_dump_json(exclude=ELSEWHERE | later), start)


def checkpoint_folder(manifest: Manifest, model: ModelSection, training: TrainingSection, start: int) -> Path:
    """Where the checkpoints of a training lie, by any number of ranks, with divided tables and without."""
    settings = training.model_dump_json(exclude=ELSEWHERE | SPREAD | LATER.keys())
    return Path(training.checkpoints) / _digest(manifest, model, settings, start)


def _digest(manifest: Manifest, model: ModelSection, training: str, start: int) -> str:
    of_tuples = [manifest.content, manifest.vocabulary, manifest.history_days]
    made_from = [FORMAT, *of_tuples, model.model_dump_json(), training, start]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def by_position(manifest: Manifest, catalogue: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each catalogue position (index - 2): behaviours in the training days, and place in the order of item ids."""
    index = catalogue[n.ITEM_INDEX].to_numpy() - FIRST_ITEM
    size = manifest.items - FIRST_ITEM
    counts, order = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    counts[index] = catalogue[n.BEHAVIOURS].to_numpy()
    # Items that this night's catalogue lacks come last among equals.
    order[:] = len(index) + np.arange(size)
    order[index] = np.argsort(np.argsort(np.array(catalogue[n.ITEM_ID].to_pylist()), kind="stable"))
    return counts, order
