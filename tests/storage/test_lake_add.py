"""An append is as if nobody else wrote in between."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from threading import Event

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.features.vocabulary import new_entries
from mind.storage.lake import Lake
from mind.tables import VOCABULARY, ContractError
from mind.tables import names as n
from tests.storage.frames import rows_of

DS = date(2024, 3, 1)
PATIENCE_S = 120


def appends(spark: SparkSession, *values: str) -> Callable[[DataFrame], DataFrame]:
    """What jobs/build_vocabulary.py hands to `Lake.add`."""
    rows = [{n.FEATURE: "item_id", n.VALUE: value, n.BEHAVIOURS: 1} for value in values]
    observed = spark.createDataFrame(pa.Table.from_pylist(rows))
    return lambda held: new_entries(observed, held, 1, DS)


def entries(lake: Lake) -> dict[str, int]:
    rows = rows_of(lake.read(VOCABULARY))
    assert len({row[n.VALUE] for row in rows}) == len(rows), "a value has two indexes"
    return {row[n.VALUE]: row[n.INDEX] for row in rows}


def test_a_rerun_adds_nothing_and_a_later_night_moves_nothing(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(spark, str(tmp_path))
    assert lake.add(VOCABULARY, appends(spark, "b", "d")) == 2
    version = lake.version(VOCABULARY)
    assert lake.add(VOCABULARY, appends(spark, "b", "d")) == 0
    assert lake.version(VOCABULARY) == version
    assert lake.add(VOCABULARY, appends(spark, "a", "b", "c")) == 2
    assert entries(lake) == {"b": 2, "d": 3, "a": 4, "c": 5}
    with pytest.raises(ContractError, match=r"nulls in value"):
        lake.add(VOCABULARY, lambda held: held.withColumn(n.VALUE, F.lit(None).cast("string")))
    assert lake.version(VOCABULARY) == version + 1


def race(lake: Lake, foreign: Callable[[], object]) -> None:
    """A second writer reads while the first has read and not yet written, and writes after it."""
    both_read, first_wrote = Event(), Event()
    plain = {name: appends(lake.spark, *values) for name, values in {"first": "abc", "second": "cde"}.items()}

    def first(held: DataFrame) -> DataFrame:
        fresh = plain["first"](held).persist()
        fresh.count()
        foreign()
        if not both_read.is_set():
            started.append(pool.submit(lake.add, VOCABULARY, second))
            assert both_read.wait(PATIENCE_S)
        return fresh

    def second(held: DataFrame) -> DataFrame:
        fresh = plain["second"](held).persist()
        fresh.count()
        both_read.set()
        assert first_wrote.wait(PATIENCE_S)
        return fresh

    started: list = []
    with ThreadPoolExecutor(1) as pool:
        try:
            assert lake.add(VOCABULARY, first) == 3
        finally:
            first_wrote.set()
        assert started[0].result() == 2


def test_of_two_writers_at_once_the_second_reads_again_whatever_maintenance_does_between(
    spark: SparkSession, tmp_path: Path
) -> None:
    """A commit that adds nothing (OPTIMIZE, a property) raises the version that the second writer reads."""
    lake = Lake(spark, str(tmp_path))

    def maintain() -> None:
        spark.sql(f"ALTER TABLE delta.`{lake.path(VOCABULARY)}` SET TBLPROPERTIES ('kept.by' = 'maintenance')")

    race(lake, maintain)
    assert entries(lake) == {"a": 2, "b": 3, "c": 4, "d": 5, "e": 6}
