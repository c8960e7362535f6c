"""Spark meets the evaluator: test rows to ranks. A worker opens the model and the catalogue once and keeps them.

Two scores that are nearly equal may change places when their rows are scored among others, since a matrix product
adds in an order that depends on its shape. So rows are scored in the blocks in which one process scores them, whatever
the partitions: the first `batch_size` rows that count, the next, and so on.

Shapes: R rows that count, B rows of a block, V items of the catalogue, D dimension.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.config import EvaluationSection
from mind.errors import BrokenPromise
from mind.evaluation import Measured
from mind.evaluation.evaluator import NO_ROWS
from mind.serving.embedding import matrix
from mind.serving.parcel import received, send
from mind.storage.session import session
from mind.storage.tuple_rows import PLACE, collected, split_rows
from mind.tables import names as n
from mind.tables.manifest import Manifest
from mind.training.loader import TENSORS, Columns
from mind.training.scoring import counted, history_lengths, target_positions
from mind.training.yardstick import Candidate, HeldRows, Rows, Yardstick

Batches = Iterable[pa.RecordBatch]
Work = Callable[[Batches], Batches]

_POSITION, _LENGTH, _COUNTS = "position", "length", "counts"
_BLOCK, _RANK, _DIVERSITY, _SHOWN = "block", "rank", "diversity", "shown"
TOLD = f"{PLACE} bigint, {n.USER_ID} string, {_POSITION} int, {_LENGTH} int, {_COUNTS} boolean"
BLOCKS = f"{_BLOCK} int, {PLACE} bigint, " + ", ".join(f"{name} array<int>" for name in TENSORS)
FOUND = f"{PLACE} bigint, {_RANK} int, {_DIVERSITY} double, {_POSITION} int, {_SHOWN} bigint"
"""Of a row: place, rank, diversity. Of an item that a task's lists hold: position, in how many. The others are null."""


def night_rows(
    manifest: Manifest, counts_V: NDArray[np.int64], tie_order_V: NDArray[np.int64], section: EvaluationSection
) -> Rows:
    """The test rows of a night, scored in this process or, with `section.on_spark`, by Spark's executors.

    Raises:
        BrokenPromise: rows are missing, or there are none.
    """
    yardstick = Yardstick(counts_V=counts_V, tie_order_V=tie_order_V, section=section)
    return SpreadRows(session(), manifest, yardstick) if section.on_spark else HeldRows(manifest, yardstick)


class SpreadRows:
    """Rows that stay in their files. This process holds of each who, what, how long, and in which place.

    Raises:
        BrokenPromise: rows are missing, or there are none.
    """

    def __init__(self, spark: SparkSession, manifest: Manifest, yardstick: Yardstick) -> None:
        self.yardstick, self._manifest = yardstick, manifest
        section = yardstick.section
        self._rows = split_rows(spark, manifest, "test", (*TENSORS, n.USER_ID))
        asked = self._rows.select(PLACE, n.USER_ID, n.HISTORY, n.TARGET)
        told = collected(asked.mapInArrow(_teller(section.filter_seen), TOLD), manifest, "test")
        place = told[PLACE].to_numpy()
        order_R = np.argsort(place)
        order_R = order_R[told[_COUNTS].to_numpy()[order_R]]
        yardstick.tell_left_out(len(place), len(order_R))
        self._place_R = place[order_R]
        self.user_R: NDArray[Any] = _codes(told[n.USER_ID])[order_R]
        self.target_R: NDArray[Any] = told[_POSITION].to_numpy()[order_R]
        self.length_R: NDArray[Any] = told[_LENGTH].to_numpy()[order_R]
        self._first_places = self._place_R[:: section.batch_size]
        self._catalogue = _sent(spark, yardstick)

    def measure(self, folder: Path | None) -> Measured:
        """The model in the folder on these rows; None: popularity.

        Raises:
            BrokenPromise: the files gave other rows than before.
        """
        if not len(self._place_R):
            raise ValueError(NO_ROWS)
        spark, section = self._rows.sparkSession, self.yardstick.section
        model = None if folder is None else send(spark, folder, "model")
        # A number of its own, so that Spark joins no small partitions: rows are small beside what is done with them.
        tasks = int(str(spark.conf.get("spark.sql.shuffle.partitions")))
        asked = self._rows.select(PLACE, *TENSORS)
        placed = asked.mapInArrow(_placer(self._first_places, section.filter_seen), BLOCKS)
        blocks = placed.repartition(tasks, _BLOCK).sortWithinPartitions(PLACE)
        found = blocks.mapInArrow(_scorer(model, self._catalogue, section), FOUND).persist()
        try:
            return self._assembled(found)
        finally:
            found.unpersist()

    def _assembled(self, found: DataFrame) -> Measured:
        of_rows = found.where(F.col(PLACE).isNotNull()).select(PLACE, _RANK, _DIVERSITY).toArrow()
        of_items = found.where(F.col(_SHOWN).isNotNull()).groupBy(_POSITION).agg(F.sum(_SHOWN).alias(_SHOWN)).toArrow()
        place = of_rows[PLACE].to_numpy()
        order_R = np.argsort(place)
        if not np.array_equal(place[order_R], self._place_R):
            raise BrokenPromise(
                f"{len(place)} test rows of {self._manifest.ds} were scored, {len(self._place_R)} were counted before; "
                "the files changed meanwhile, or a task lost rows. Run this step again."
            )
        exposures_V = np.zeros(len(self.yardstick.counts_V), dtype=np.int64)
        exposures_V[of_items[_POSITION].to_numpy()] = of_items[_SHOWN].to_numpy()
        diverse = of_rows[_DIVERSITY].null_count == 0
        return Measured(
            ranks_R=of_rows[_RANK].to_numpy()[order_R].astype(np.int64),
            exposures_V=exposures_V,
            diversity_R=of_rows[_DIVERSITY].to_numpy()[order_R] if diverse else None,
        )


def _codes(users: pa.ChunkedArray) -> NDArray[np.int64]:
    """Numbers in place of user ids, in the order of the ids."""
    coded = users.dictionary_encode().unify_dictionaries()
    ids = coded.chunk(0).dictionary
    # Arrow sorts the bytes of UTF-8, which come in the order of Python's strings.
    code_of_id = np.empty(len(ids), dtype=np.int64)
    code_of_id[pc.sort_indices(ids).to_numpy()] = np.arange(len(ids))
    codes: NDArray[np.int64] = code_of_id[np.concatenate([chunk.indices.to_numpy() for chunk in coded.chunks])]
    return codes


def _teller(filter_seen: bool) -> Work:
    def work(batches: Batches) -> Batches:
        for batch in batches:
            if batch.num_rows:
                rows = _columns(batch, (n.HISTORY, n.TARGET))
                lengths = history_lengths(rows).astype(np.int32)
                told = (target_positions(rows), lengths, counted(rows, filter_seen))
                yield pa.record_batch(
                    [batch[PLACE], batch[n.USER_ID], *map(pa.array, told)],
                    names=[PLACE, n.USER_ID, _POSITION, _LENGTH, _COUNTS],
                )

    return work


def _placer(first_places: NDArray[np.int64], filter_seen: bool) -> Work:
    """The rows that count, each with the number of its block."""

    def work(batches: Batches) -> Batches:
        for batch in batches:
            if batch.num_rows:
                kept = batch.filter(pa.array(counted(_columns(batch, (n.HISTORY, n.TARGET)), filter_seen)))
                block = np.searchsorted(first_places, kept[PLACE].to_numpy(), side="right") - 1
                columns = [pa.array(block.astype(np.int32)), *(kept[name] for name in (PLACE, *TENSORS))]
                yield pa.record_batch(columns, names=[_BLOCK, PLACE, *TENSORS])

    return work


def _scorer(model: str | None, catalogue: str, section: EvaluationSection) -> Work:
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
            yield _found({PLACE: place_B, _RANK: found.ranks_R.astype(np.int32), _DIVERSITY: diversity})
        if exposures_V is not None:
            shown = np.flatnonzero(exposures_V)
            yield _found({_POSITION: shown.astype(np.int32), _SHOWN: exposures_V[shown]})

    return work


def _found(columns: dict[str, NDArray[np.generic] | pa.Array]) -> pa.RecordBatch:
    """Some columns of FOUND, the others null."""
    schema = {PLACE: pa.int64(), _RANK: pa.int32(), _DIVERSITY: pa.float64(), _POSITION: pa.int32(), _SHOWN: pa.int64()}
    rows = len(next(iter(columns.values())))
    arrays = [
        pa.array(columns[name], kind) if name in columns else pa.nulls(rows, kind) for name, kind in schema.items()
    ]
    return pa.record_batch(arrays, names=list(schema))


def _whole_blocks(batches: Batches) -> Iterator[tuple[NDArray[np.int64], Columns]]:
    """Places and rows of each block; a block may lie in several batches, one after the other."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        block = batch[_BLOCK].to_numpy()
        ends = (np.flatnonzero(np.diff(block, append=-1)) + 1).tolist()
        for start, end in pairwise([0, *ends]):
            if held and block[start] != held[0][_BLOCK][0].as_py():
                yield _joined(held)
                held = []
            held.append(batch.slice(start, end - start))
    if held:
        yield _joined(held)


def _joined(parts: list[pa.RecordBatch]) -> tuple[NDArray[np.int64], Columns]:
    block = pa.Table.from_batches(parts).combine_chunks().to_batches()[0]
    return block[PLACE].to_numpy(), _columns(block, TENSORS)


def _columns(batch: pa.RecordBatch, names: Iterable[str]) -> Columns:
    return {name: matrix(batch[name]) for name in names}


_COUNTS_FILE, _TIES_FILE = "counts.npy", "tie_order.npy"


def _sent(spark: SparkSession, yardstick: Yardstick) -> str:
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / _COUNTS_FILE, yardstick.counts_V)
        np.save(Path(folder) / _TIES_FILE, yardstick.tie_order_V)
        return send(spark, Path(folder), "catalogue")


@lru_cache(maxsize=1)
def _opened(
    model: str | None, catalogue: str, section: EvaluationSection, history_length: int
) -> tuple[Yardstick, Candidate]:
    """The catalogue and the model in this worker process, which has many tasks and one model at a time."""
    folder = received(catalogue)
    counts_V, tie_order_V = np.load(folder / _COUNTS_FILE), np.load(folder / _TIES_FILE)
    yardstick = Yardstick(counts_V=counts_V, tie_order_V=tie_order_V, section=section)
    return yardstick, yardstick.candidate(None if model is None else received(model), history_length)
