"""Spark meets the evaluator: test rows to ranks.

Two scores that are nearly equal may change places when their rows are scored among others, since a matrix product
adds in an order that depends on its shape. So rows are scored in the blocks in which one process scores them, whatever
the partitions: the first `batch_size` rows that count, the next, and so on.

Shapes: R rows that count, B rows of a block, V items of the catalogue, D dimension.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.config import EvaluationSection
from mind.errors import BrokenPromise
from mind.evaluation import Measured
from mind.evaluation.evaluator import NO_ROWS
from mind.model import load
from mind.serving.evaluation_worker import (
    AGES,
    BLOCK,
    BLOCKS,
    COUNTS,
    COUNTS_FILE,
    DIVERSITY,
    FOUND,
    LENGTH,
    MANIFEST_FILE,
    POSITION,
    RANK,
    SHOWN,
    TIES_FILE,
    TOLD,
    placer,
    scorer,
    teller,
)
from mind.serving.parcel import send
from mind.storage.session import session
from mind.storage.tuple_rows import PLACE, collected, split_rows
from mind.tables import names as n
from mind.tables.manifest import Manifest
from mind.training.loader import columns_of
from mind.training.scoring import check_fits
from mind.training.yardstick import HeldRows, Rows, Yardstick


def night_rows(
    night: Manifest,
    copied: Manifest,
    counts_V: NDArray[np.int64],
    tie_order_V: NDArray[np.int64],
    section: EvaluationSection,
) -> Rows:
    """The test rows of a night, scored in this process or, with `section.on_spark`, by Spark's executors.

    Args:
        night: names the files where executors read them.
        copied: names them where this process does.

    Raises:
        BrokenPromise: rows are missing, or there are none.
    """
    yardstick = Yardstick(manifest=night, counts_V=counts_V, tie_order_V=tie_order_V, section=section)
    return SpreadRows(session(), night, yardstick) if section.on_spark else HeldRows(copied, yardstick)


def splits_read_here(section: EvaluationSection) -> tuple[str, ...]:
    """The splits of which an evaluation's own process reads the files."""
    return () if section.on_spark else ("test",)


class SpreadRows:
    """Rows that stay in their files. This process holds of each who, what, how long, and in which place.

    Raises:
        BrokenPromise: rows are missing, or there are none.
    """

    def __init__(self, spark: SparkSession, manifest: Manifest, yardstick: Yardstick) -> None:
        self.yardstick, self._manifest = yardstick, manifest
        section = yardstick.section
        self._columns = columns_of(manifest)
        self._rows = split_rows(spark, manifest, "test", (*self._columns, n.USER_ID))
        asked = self._rows.select(PLACE, n.USER_ID, n.HISTORY, n.TARGET)
        told = collected(asked.mapInArrow(teller(section.filter_seen), TOLD), manifest, "test")
        place = told[PLACE].to_numpy()
        order_R = np.argsort(place)
        order_R = order_R[told[COUNTS].to_numpy()[order_R]]
        yardstick.tell_left_out(len(place), len(order_R))
        self._place_R = place[order_R]
        self.user_R: NDArray[Any] = _codes(told[n.USER_ID])[order_R]
        self.target_R: NDArray[Any] = told[POSITION].to_numpy()[order_R]
        self.length_R: NDArray[Any] = told[LENGTH].to_numpy()[order_R]
        self._first_places = self._place_R[:: section.batch_size]
        self._catalogue = _sent(spark, yardstick)

    def measure(self, folder: Path | None) -> Measured:
        """The model in the folder on these rows; None: popularity.

        Raises:
            BrokenPromise: the files gave other rows than before, or the model takes ages and they have none.
        """
        if not len(self._place_R):
            raise ValueError(NO_ROWS)
        spark, section = self._rows.sparkSession, self.yardstick.section
        if folder is not None:
            check_fits(load(folder)[0], self._manifest)
        model = None if folder is None else send(spark, folder, "model")
        # A number of its own, so that Spark joins no small partitions: rows are small beside what is done with them.
        tasks = int(str(spark.conf.get("spark.sql.shuffle.partitions")))
        asked = self._rows.select(PLACE, *self._columns)
        kind = BLOCKS + (AGES if n.HISTORY_AGES in self._columns else "")
        placed = asked.mapInArrow(placer(self._first_places, section.filter_seen), kind)
        blocks = placed.repartition(tasks, BLOCK).sortWithinPartitions(PLACE)
        found = blocks.mapInArrow(scorer(model, self._catalogue, section), FOUND).persist()
        try:
            return self._assembled(found)
        finally:
            found.unpersist()

    def _assembled(self, found: DataFrame) -> Measured:
        of_rows = found.where(F.col(PLACE).isNotNull()).select(PLACE, RANK, DIVERSITY).toArrow()
        of_items = found.where(F.col(SHOWN).isNotNull()).groupBy(POSITION).agg(F.sum(SHOWN).alias(SHOWN)).toArrow()
        place = of_rows[PLACE].to_numpy()
        order_R = np.argsort(place)
        if not np.array_equal(place[order_R], self._place_R):
            raise BrokenPromise(
                f"{len(place)} test rows of {self._manifest.ds} were scored, {len(self._place_R)} were counted before; "
                "the files changed meanwhile, or a task lost rows. Run this step again."
            )
        exposures_V = np.zeros(len(self.yardstick.counts_V), dtype=np.int64)
        exposures_V[of_items[POSITION].to_numpy()] = of_items[SHOWN].to_numpy()
        diverse = of_rows[DIVERSITY].null_count == 0
        return Measured(
            ranks_R=of_rows[RANK].to_numpy()[order_R].astype(np.int64),
            exposures_V=exposures_V,
            diversity_R=of_rows[DIVERSITY].to_numpy()[order_R] if diverse else None,
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


def _sent(spark: SparkSession, yardstick: Yardstick) -> str:
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / COUNTS_FILE, yardstick.counts_V)
        np.save(Path(folder) / TIES_FILE, yardstick.tie_order_V)
        (Path(folder) / MANIFEST_FILE).write_text(yardstick.manifest.model_dump_json(), encoding="utf-8")
        return send(spark, Path(folder), "catalogue")
