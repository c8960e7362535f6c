"""A log that is cut into days: a night reads the days it looks back on, and no row is lost between two nights."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.behaviours.days import logged_days
from mind.behaviours.ingest import Ingested, ingest
from mind.behaviours.parse import FUTURE, TOO_LATE
from mind.errors import BadInput
from mind.source import FeatureFile, RefuseUsersRule
from mind.storage.raw_log import read_raw_log
from mind.tables import names as n
from tests.behaviours.shop import RAW, raw_frame, raw_row, section, source
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


LOOK_BACK = 2
LAGS = (-2, -1, 0, 0, 0, 1, 1, 2)
"""Days from an event to its file."""


def dated_rows(seed: int) -> list[tuple[date, dict]]:
    """Rows and the days of their files; copies in other files, rows without a time, robots."""
    chance = random.Random(seed)
    rows = []
    for number in range(120):
        day = days_before(chance.randrange(3))
        note, who = str(number), chance.choice(["ann", "bob", "bot"])
        row = at(day, note=note, who=who) if chance.random() < 0.9 else raw_row(at=None, note=note)
        rows += [(day + timedelta(days=lag), row) for lag in chance.choices(LAGS, k=chance.choice([1, 1, 2]))]
    return rows


def as_read(spark: SparkSession, rows: list[tuple[date, dict]]) -> DataFrame:
    """What `read_raw_log` gives of these files, all named alike."""
    frame = raw_frame(spark, [raw_row(note="none")]).limit(0).withColumn(n.LOG_DAY, F.lit(DS))
    table = pa.Table.from_pylist([row for _, row in rows], schema=RAW)
    days = pa.array([day for day, _ in rows], pa.date32())
    given = spark.createDataFrame(table.append_column(n.LOG_DAY, days)).withColumn(n.SOURCE_FILE, F.lit("part 0"))
    return frame.unionByName(given)


def run(spark: SparkSession, rows: list[tuple[date, dict]], ds: date) -> Ingested:
    first, last = logged_days(ds, LOOK_BACK)
    there = [(day, row) for day, row in rows if first <= day <= last]
    shop = source(refuse_users=(RefuseUsersRule(reason="robot", where="count(*) > 7 and user_id = 'bot'"),))
    made = ingest(as_read(spark, there), shop, section(look_back_days=LOOK_BACK), "UTC", ds)
    assert made.dated_after == sum(row["at"] is not None and row["at"] > f"{ds} 24" for _, row in there)
    return made


@pytest.mark.slow
def test_nights_in_any_order_write_the_same_days_and_tell_of_every_row(spark: SparkSession) -> None:
    """Night after night with the files that were there then, and backfills from the last day to the first."""
    rows = dated_rows(5)
    nights = [days_before(number) for number in range(4, -3, -1)]

    def written(order: list[date], *, as_then: bool) -> dict[date, list]:
        held: dict[date, list] = {}
        for ds in order:
            made = run(spark, [(day, row) for day, row in rows if day <= ds or not as_then], ds)
            days = defaultdict(list)
            for row in rows_of(made.behaviours, n.EVENT_ID, n.EVENT_DAY):
                days[row[n.EVENT_DAY]].append(row[n.EVENT_ID])
            held |= {day: days[day] for day in (made.first, made.last)}
            told.update(row[n.EVENT_ID] for row in rows_of(made.quarantine))
            reasons.update(made.refused)
        return held

    told: set[str] = set()
    reasons: set[str] = set()
    serial = written(nights, as_then=True)
    assert {TOO_LATE, FUTURE, "robot", "duplicate", "unreadable_time"} <= reasons
    told.update(event for day in serial.values() for event in day)
    assert len(told) == len({row["note"] for _, row in rows}), "every row is a behaviour or refused by some night"
    assert written(nights[::-1], as_then=False) == serial
    assert sum(map(len, serial.values())) > 20
