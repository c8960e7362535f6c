"""Whole days are replaced in one commit, or nothing is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.errors import BrokenPromise, MindError
from mind.storage.lake import Lake
from mind.tables import BEHAVIOURS, ITEMS, QUARANTINE, VOCABULARY, ContractError
from mind.tables import names as n
from tests.behaviours.shop import START, behaviour
from tests.features.slow import vocabulary_frame
from tests.storage.frames import frame_of, rows_of

DAY = START.date()
NEXT, THIRD = DAY + timedelta(days=1), DAY + timedelta(days=2)


def events(day: date, count: int = 4, user: str = "ann") -> list[dict[str, Any]]:
    """Some events of a day; ids are unique over days and users."""
    when = {n.EVENT_TIME: START.replace(year=day.year, month=day.month, day=day.day), n.EVENT_DAY: day}
    words = {n.ITEM_VALUES: {"colour": "röd", "size": None}}
    rows = [behaviour(day.toordinal() * 100 + number, user, f"{number}", 0, **when, **words) for number in range(count)]
    return [row | {n.EVENT_ID: f"{row[n.EVENT_ID]} {user}"} for row in rows]


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with three days of behaviours."""
    made = Lake(spark, str(tmp_path_factory.mktemp("lake")))
    made.replace(BEHAVIOURS, frame_of(spark, BEHAVIOURS, events(DAY) + events(NEXT) + events(THIRD)), DAY, THIRD)
    return made


def spoilt(change: Callable[[DataFrame], DataFrame]) -> Callable[[SparkSession], DataFrame]:
    return lambda spark: change(frame_of(spark, BEHAVIOURS, events(NEXT)))


def from_rows(rows: list[dict[str, Any]]) -> Callable[[SparkSession], DataFrame]:
    return lambda spark: frame_of(spark, BEHAVIOURS, rows)


REFUSED = {
    "columns missing and mistyped, at once": (
        spoilt(lambda frame: frame.drop(n.USER_ID, n.SOURCE).withColumn(n.QUANTITY, F.lit("one"))),
        r"table behaviours .*missing user_id \(string\).*missing source \(string\).*quantity is string, promised",
    ),
    "a null in a required column": (
        spoilt(lambda frame: frame.withColumn(n.ITEM_ID, F.nullif(F.col(n.ITEM_ID), F.lit("2")))),
        "1 nulls in item_id",
    ),
    "a null day": (
        spoilt(lambda frame: frame.withColumn(n.EVENT_DAY, F.lit(None).cast("date"))),
        "4 nulls in event_day",
    ),
    "a repeated key": (from_rows([*events(NEXT), events(NEXT)[0]]), "1 rows repeat a key"),
    "a day outside the range": (from_rows(events(NEXT) + events(THIRD, 2)), "2 rows lie outside"),
    "no rows without permission": (from_rows([]), "refusing to empty"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_frame_that_breaks_its_contract_changes_nothing(lake: Lake, fault: str) -> None:
    make, message = REFUSED[fault]
    before = lake.version(BEHAVIOURS)
    with pytest.raises(BrokenPromise, match=message):
        lake.replace(BEHAVIOURS, make(lake.spark), NEXT, NEXT)
    assert lake.version(BEHAVIOURS) == before


def test_a_refused_first_write_makes_no_table(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(ContractError):
        Lake(spark, str(tmp_path / "new")).replace(BEHAVIOURS, frame_of(spark, BEHAVIOURS, events(THIRD)), DAY, DAY)
    assert not (tmp_path / "new").exists()


def test_a_replaced_day_leaves_the_others_alone_and_a_rerun_gives_the_same(lake: Lake) -> None:
    fresh = frame_of(lake.spark, BEHAVIOURS, events(NEXT, 6, "bob")).withColumn("beside", F.lit(1))
    version = lake.version(BEHAVIOURS)
    for _ in range(2):
        assert lake.replace(BEHAVIOURS, fresh.repartition(3), NEXT, NEXT) == 6
        expected = frame_of(lake.spark, BEHAVIOURS, events(DAY) + events(NEXT, 6, "bob") + events(THIRD))
        assert rows_of(lake.read(BEHAVIOURS)) == rows_of(expected)
    assert lake.version(BEHAVIOURS) == version + 2, "a replacement is one commit"


def test_days_may_be_emptied_with_permission(lake: Lake) -> None:
    nothing = frame_of(lake.spark, BEHAVIOURS, [])
    assert lake.replace(BEHAVIOURS, nothing, THIRD, THIRD + timedelta(days=9), may_be_empty=True) == 0
    assert {row[n.EVENT_DAY] for row in rows_of(lake.read(BEHAVIOURS))} == {DAY, NEXT}


def test_two_writers_of_one_day_leave_the_rows_of_one_of_them(spark: SparkSession, tmp_path: Path) -> None:
    """They also race to create the table."""
    lake, together = Lake(spark, str(tmp_path)), Barrier(2)

    def write(user: str) -> int:
        frame = frame_of(spark, BEHAVIOURS, events(DAY, 5, user))
        together.wait(timeout=60)
        return lake.replace(BEHAVIOURS, frame, DAY, DAY)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(write, ["ann", "bob"])) == [5, 5]
    found = rows_of(lake.read(BEHAVIOURS))
    assert found in [rows_of(frame_of(spark, BEHAVIOURS, events(DAY, 5, user))) for user in ("ann", "bob")]


def test_a_table_whose_maker_was_killed_before_its_first_commit_is_made_anew(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = Lake(spark, str(tmp_path))
    commits = tmp_path / QUARANTINE.name / "_delta_log"
    commits.mkdir(parents=True)
    (commits / ".00000000000000000000.json.half.tmp").write_text('{"commitInfo"')
    nothing = frame_of(spark, QUARANTINE, [])
    assert lake.replace(QUARANTINE, nothing, DAY, DAY, may_be_empty=True) == 0
    assert lake.read(QUARANTINE).isEmpty()


def test_a_folder_of_something_else_is_left_alone_and_named(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mind.storage.lake.ATTEMPTS", 2)
    other = tmp_path / QUARANTINE.name / "notes.txt"
    other.parent.mkdir()
    other.write_text("mine")
    with pytest.raises(MindError, match="holds files but no Delta table; move them away"):
        Lake(spark, str(tmp_path)).replace(QUARANTINE, frame_of(spark, QUARANTINE, []), DAY, DAY, may_be_empty=True)
    assert other.read_text() == "mine"


def test_a_table_without_days_is_not_replaced_by_days(lake: Lake) -> None:
    with pytest.raises(ContractError, match="vocabulary has no day partition"):
        lake.replace(VOCABULARY, vocabulary_frame(lake.spark), DAY, DAY)


def test_reading_what_is_not_there_names_the_step_to_run(lake: Lake) -> None:
    with pytest.raises(MindError, match=r"table items does not exist at .*/items; run build_vocabulary first"):
        lake.read(ITEMS)
    item = {n.ITEM_ID: "tea", n.ITEM_INDEX: 2, n.ITEM_CODES: [2], n.ITEM_ATTRIBUTES: {"name": "Tea"}, n.BEHAVIOURS: 1}
    row = {n.DS: DAY, n.FIRST_SEEN: START, n.LAST_SEEN: START, **item}
    lake.replace(ITEMS, frame_of(lake.spark, ITEMS, [row]), DAY, DAY)
    assert rows_of(lake.read(ITEMS, DAY)) == [row]
    with pytest.raises(MindError, match=f"items has no rows for {NEXT}; run build_vocabulary --ds {NEXT} first"):
        lake.read(ITEMS, NEXT)


def test_a_table_that_may_be_absent_reads_as_no_rows_of_its_columns(lake: Lake) -> None:
    empty = lake.read_or_empty(VOCABULARY)
    assert empty.columns == VOCABULARY.column_names
    assert empty.isEmpty()
    assert lake.read_or_empty(BEHAVIOURS).count() > 0
