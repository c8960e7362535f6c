"""What a worker of Spark does with test rows: it opens the model and the catalogue once, and scores whole blocks.

Shapes: R rows that count, B rows of a block, V items of the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from pyspark import TaskContext

from mind.config import EvaluationSection
from mind.serving.embedding import matrix
from mind.serving.parcel import received
from mind.storage.tuple_rows import PLACE
from mind.tables import names as n
from mind.tables.manifest import Manifest
from mind.training.loader import TENSORS, Columns
from mind.training.scoring import counted, history_lengths, target_positions
from mind.training.yardstick import Candidate, Yardstick

Batches = Iterable[pa.RecordBatch]
Work = Callable[[Batches], Batches]

POSITION, LENGTH, COUNTS = "position", "length", "counts"
BLOCK, RANK, DIVERSITY, SHOWN = "block", "rank", "diversity", "shown"
TOLD = f"{PLACE} bigint, {n.USER_ID} string, {POSITION} int, {LENGTH} int, {COUNTS} boolean"
BLOCKS = f"{BLOCK} int, {PLACE} bigint, " + ", ".join(f"{name} array<int>" for name in TENSORS)
AGES = f", {n.HISTORY_AGES} array<tinyint>"
"""More of BLOCKS, where the tuples have ages."""
FOUND = f"{PLACE} bigint, {RANK} int, {DIVERSITY} double, {POSITION} int, {SHOWN} bigint"
"""Of a row: place, rank, diversity. Of an item that a task's lists hold: position, in how many. The others are null."""


COUNTS_FILE, TIES_FILE, MANIFEST_FILE = "counts.npy", "tie_order.npy", "manifest.json"


def teller(filter_seen: bool) -> Work:
    def work(batches: Batches) -> Batches:
        for batch in batches:
            if batch.num_rows:
                rows = _columns(batch, (n.HISTORY, n.TARGET))
                lengths = history_lengths(rows).astype(np.int32)
                told = (target_positions(rows), lengths, counted(rows, filter_seen))
                yield pa.record_batch(
                    [batch[PLACE], batch[n.USER_ID], *map(pa.array, told)],
                    names=[PLACE, n.USER_ID, POSITION, LENGTH, COUNTS],
                )

    return work


def placer(first_places: NDArray[np.int64], filter_seen: bool) -> Work:
    """The rows that count, each with the number of its block."""

    def work(batches: Batches) -> Batches:
        for batch in batches:
            if batch.num_rows:
                kept = batch.filter(pa.array(counted(_columns(batch, (n.HISTORY, n.TARGET)), filter_seen)))
                block = np.searchsorted(first_places, kept[PLACE].to_numpy(), side="right") - 1
                columns = [pa.array(block.astype(np.int32)), *kept.columns]
                yield pa.record_batch(columns, names=[BLOCK, *kept.schema.names])

    return work


def scorer(model: str | None, catalogue: str, section: EvaluationSection) -> Work:
    def work(batches: Batches) -> Batches:
        context = TaskContext.get()
        assert context is not None
        torch.set_num_threads(context.cpus())
        exposures_V: NDArray[np.int64] | None = None
        for place_B, rows in _whole_blocks(batches):
            yardstick, candidate = _opened(model, catalogue, section, rows[n.HISTORY].shape[1])
            found = yardstick.measure(candidate, rows)
            exposures_V = found.exposures_V if exposures_V is None else exposures_V + found.exposures_V
            diversity = pa.nulls(len(place_B), pa.float64()) if found.diversity_R is None else found.diversity_R
            yield _found({PLACE: place_B, RANK: found.ranks_R.astype(np.int32), DIVERSITY: diversity})
        if exposures_V is not None:
            shown = np.flatnonzero(exposures_V)
            yield _found({POSITION: shown.astype(np.int32), SHOWN: exposures_V[shown]})

    return work


def _found(columns: dict[str, NDArray[np.generic] | pa.Array]) -> pa.RecordBatch:
    """Some columns of FOUND, the others null."""
    schema = {PLACE: pa.int64(), RANK: pa.int32(), DIVERSITY: pa.float64(), POSITION: pa.int32(), SHOWN: pa.int64()}
    rows = len(next(iter(columns.values())))
    arrays = [
        pa.array(columns[name], kind) if name in columns else pa.nulls(rows, kind) for name, kind in schema.items()
    ]
    return pa.record_batch(arrays, names=list(schema))


def _whole_blocks(batches: Batches) -> Iterator[tuple[NDArray[np.int64], Columns]]:
    """Places and rows of each block; a block may lie in several batches, one after the other."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        block = batch[BLOCK].to_numpy()
        ends = (np.flatnonzero(np.diff(block, append=-1)) + 1).tolist()
        for start, end in pairwise([0, *ends]):
            if held and block[start] != held[0][BLOCK][0].as_py():
                yield _joined(held)
                held = []
            held.append(batch.slice(start, end - start))
    if held:
        yield _joined(held)


def _joined(parts: list[pa.RecordBatch]) -> tuple[NDArray[np.int64], Columns]:
    block = pa.Table.from_batches(parts).combine_chunks().to_batches()[0]
    return block[PLACE].to_numpy(), _columns(block, [name for name in block.schema.names if name not in (BLOCK, PLACE)])


def _columns(batch: pa.RecordBatch, names: Iterable[str]) -> Columns:
    return {name: matrix(batch[name]) for name in names}


@lru_cache(maxsize=1)
def _opened(
    model: str | None, catalogue: str, section: EvaluationSection, history_length: int
) -> tuple[Yardstick, Candidate]:
    """The catalogue and the model in this worker process, which has many tasks and one model at a time."""
    folder = received(catalogue)
    counts_V, tie_order_V = np.load(folder / COUNTS_FILE), np.load(folder / TIES_FILE)
    manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    yardstick = Yardstick(manifest=manifest, counts_V=counts_V, tie_order_V=tie_order_V, section=section)
    return yardstick, yardstick.candidate(None if model is None else received(model), history_length)
