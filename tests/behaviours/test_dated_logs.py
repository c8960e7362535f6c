"""A log that is cut into days: a night reads the days it looks back on."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from mind.behaviours.days import logged_days
from mind.behaviours.ingest import ingest
from mind.errors import BadInput
from mind.source import FeatureFile
from mind.storage.raw_log import read_raw_log
from mind.tables import names as n
from tests.behaviours.shop import RAW, raw_row, section, source
from tests.storage.frames import rows_of

DS = date(2024, 3, 5)


def days_before(number: int) -> date:
    return DS - timedelta(days=number)


def write_days(folder: Path, days: dict[date, list[dict]]) -> str:
    """One folder a day; the path of the log."""
    for day, rows in days.items():
        (folder / f"day={day}").mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=RAW), folder / f"day={day}" / "part 0.parquet")
    return f"{folder}/day={{ds}}"


def at(day: date, **changes: str | None) -> dict:
    return raw_row(at=f"{day} 10:00:00", **changes)


def test_a_night_opens_the_files_of_its_days_alone(spark: SparkSession, tmp_path: Path) -> None:
    log = write_days(tmp_path / "log", {days_before(number): [at(days_before(number))] for number in range(6)})
    for number in (4, 5):
        (tmp_path / "log" / f"day={days_before(number)}" / "part 0.parquet").write_text("torn")
    raw = read_raw_log(spark, source(), log, *logged_days(DS, 3))
    assert len(raw.inputFiles()) == 4
    night = ingest(raw, source(), section(look_back_days=3), "UTC", DS)
    assert night.by_day == {days_before(number): 1 for number in range(3)}
    with pytest.raises(BadInput, match=rf"day=({days_before(5)}|{days_before(4)})"):
        read_raw_log(spark, source(), log, *logged_days(days_before(4), 1)).count()


def test_a_day_that_is_missing_is_refused_and_what_is_there_is_told(spark: SparkSession, tmp_path: Path) -> None:
    log = write_days(tmp_path / "log", {day: [at(day)] for day in (days_before(9), days_before(8))})
    with pytest.raises(BadInput, match=rf"nothing for .*{days_before(9)} to {days_before(8)} are there"):
        read_raw_log(spark, source(), log, *logged_days(DS, 3))
    with pytest.raises(BadInput, match="no day is there"):
        read_raw_log(spark, source(), f"{tmp_path}/nowhere/{{ds}}")
    with pytest.raises(BadInput, match="more than once"):
        read_raw_log(spark, source(), f"{tmp_path}/{{ds}}/{{ds}}")
    with pytest.raises(BadInput, match="a Delta table has one path"):
        read_raw_log(spark, source(format="delta"), log)
    assert read_raw_log(spark, source(), log).count() == 2


def test_the_day_is_read_from_its_own_place_and_files_about_items_lie_beside_the_days(
    spark: SparkSession, tmp_path: Path
) -> None:
    folder = tmp_path / "of 2001-01-01"
    log = write_days(folder, {DS: [at(DS)]})
    (folder / "items.csv").write_text("sku,colour\ntea,red\n")
    options = {"header": "true"}
    items = FeatureFile(path="items.csv", format="csv", options=options, key="sku", columns={"colour": "colour"})
    (row,) = rows_of(read_raw_log(spark, source(item_file=items), f"{log}/*.parquet"))
    assert row[n.LOG_DAY] == DS
    assert row["item_file"] == {"colour": "red"}
    assert row[n.SOURCE_FILE] == "part 0.parquet"
