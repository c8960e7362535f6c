"""Every raw row becomes a behaviour or a refused row with its reason."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import date
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.behaviours.parse import parse
from mind.errors import BadInput
from mind.source import SourceColumns
from mind.tables import names as n
from tests.behaviours.shop import FIRST, LAST, raw_frame, raw_row, rule, source
from tests.storage.frames import rows_of


def parsed(raw: DataFrame, first: date = FIRST, last: date = LAST, zone: str = "UTC", **changes: Any) -> list[dict]:
    return rows_of(parse(raw, source(**changes), zone, first, last))


def reasons(rows: list[dict]) -> dict[str, str | None]:
    """The reason by the raw row's note."""
    return {json.loads(row[n.RAW])["note"]: row[n.REASON] for row in rows}


def test_each_built_in_reason_is_given_and_counts_as_bad(spark: SparkSession) -> None:
    rows = [
        raw_row(note="good"),
        raw_row(note="time null", at=None),
        raw_row(note="time text", at="soon"),
        raw_row(note="only a time of day", at="10:00:00"),
        raw_row(note="no such day", at="2024-02-30 10:00:00"),
        raw_row(note="user null", who=None),
        raw_row(note="user empty", who=""),
        raw_row(note="user blank", who="   "),
        raw_row(note="item null", what=None),
        raw_row(note="item blank", what=" "),
        raw_row(note="event null", kind=None),
        raw_row(note="event unknown", kind="looks"),
        raw_row(note="event in capitals", kind="BUY"),
        raw_row(note="return", kind="return"),
    ]
    found = parsed(raw_frame(spark, rows))
    assert reasons(found) == {
        "good": None,
        "return": None,
        "time null": "unreadable_time",
        "time text": "unreadable_time",
        "only a time of day": "unreadable_time",
        "no such day": "unreadable_time",
        "user null": "no_user",
        "user empty": "no_user",
        "user blank": "no_user",
        "item null": "no_item",
        "item blank": "no_item",
        "event null": "unknown_event_type",
        "event unknown": "unknown_event_type",
        "event in capitals": "unknown_event_type",
    }
    assert all(row[n.BAD] == (row[n.REASON] is not None) for row in found)
    assert all(row[n.EVENT_DAY] is None for row in found if row[n.REASON] == "unreadable_time")


def test_the_first_reason_wins_time_then_the_sources_rules_in_their_order_then_ids_then_event(
    spark: SparkSession,
) -> None:
    rows = [
        raw_row(note="all wrong", at=None, colour="red", who=None, what=None, kind=None),
        raw_row(note="both rules", colour="red", size="xl", who=None, what=None, kind=None),
        raw_row(note="second rule", colour="blue", size="xl", who=None),
        raw_row(note="no user nor item", colour="blue", who=None, what=None, kind=None),
        raw_row(note="no item nor event", colour="blue", what=None, kind=None),
        raw_row(note="no event", colour="blue", kind=None),
        raw_row(note="a rule that is null refuses nothing", colour=None),
    ]
    rules = (rule("red", "colour = 'red'"), rule("large", "size = 'xl'", bad=True))
    found = parsed(raw_frame(spark, rows), refuse=rules)
    assert reasons(found) == {
        "all wrong": "unreadable_time",
        "both rules": "red",
        "second rule": "large",
        "no user nor item": "no_user",
        "no item nor event": "no_item",
        "no event": "unknown_event_type",
        "a rule that is null refuses nothing": None,
    }
    bad = {row[n.REASON]: row[n.BAD] for row in found}
    assert not bad["red"]
    assert bad["large"]


def test_rules_see_event_columns_before_raw_columns_of_the_same_name(spark: SparkSession) -> None:
    raw = raw_frame(spark, [raw_row(note="a", who="ANN")]).withColumn("User_Id", F.lit("raw"))
    columns = SourceColumns(user_id="lower(who)", item_id="what", event_type="kind", event_time="at")
    (row,) = parsed(raw, columns=columns, refuse=(rule("seen", "user_id = 'ann'"),))
    assert row[n.REASON] == "seen"
    assert json.loads(row[n.RAW])["User_Id"] == "raw"


def test_equal_raw_rows_are_one_event_and_the_copies_are_refused_as_duplicates(spark: SparkSession) -> None:
    three = [raw_row(note="thrice")] * 3
    refused = [raw_row(note="refused twice", who=None)] * 2
    first = raw_frame(spark, [*three, *refused, raw_row(note="once")], "a.parquet")
    again = raw_frame(spark, [raw_row(note="thrice")], "b.parquet")
    found = parsed(first.unionByName(again))
    assert Counter((json.loads(row[n.RAW])["note"], row[n.REASON]) for row in found) == {
        ("thrice", None): 1,
        ("thrice", "duplicate"): 3,
        ("refused twice", "no_user"): 2,
        ("once", None): 1,
    }
    copies = sorted(row[n.COPY] for row in found if json.loads(row[n.RAW])["note"] == "thrice")
    assert copies == [1, 2, 3, 4]
    assert not any(row[n.BAD] for row in found if row[n.REASON] == "duplicate")


@pytest.mark.parametrize("kind", ["timestamp_ntz", "timestamp"])
def test_rows_a_microsecond_apart_are_two_events_and_keep_their_microseconds(spark: SparkSession, kind: str) -> None:
    rows = [raw_row(at=f"2024-03-01 10:00:00.00000{number}") for number in (1, 2)]
    found = parsed(raw_frame(spark, rows).withColumn("at", F.col("at").cast(kind)))
    assert [row[n.REASON] for row in found] == [None, None]
    assert {row[n.EVENT_TIME].microsecond for row in found} == {1, 2}
    assert {json.loads(row[n.RAW])["at"][:26] for row in found} == {
        "2024-03-01T10:00:00.000001",
        "2024-03-01T10:00:00.000002",
    }


def test_rows_outside_the_days_are_left_out_and_rows_without_a_time_stay(spark: SparkSession) -> None:
    rows = [
        raw_row(note="day before", at="2024-03-01 23:59:59.999999"),
        raw_row(note="first moment", at="2024-03-02 00:00:00"),
        raw_row(note="last moment", at="2024-03-03 23:59:59.999999"),
        raw_row(note="day after", at="2024-03-04 00:00:00"),
        raw_row(note="no time", at=None),
    ]
    found = parsed(raw_frame(spark, rows), date(2024, 3, 2), date(2024, 3, 3))
    assert set(reasons(found)) == {"first moment", "last moment", "no time"}


@pytest.mark.parametrize(
    "changes",
    [
        {"columns": SourceColumns(user_id="customer", item_id="what", event_type="kind", event_time="at")},
        {"refuse": (rule("dear", "customer > 3"),)},
        {"item_features": {"colour": "customer"}},
        {"user_features": {"country": "upper(customer)"}},
    ],
    ids=["column", "rule", "item feature", "profile feature"],
)
def test_a_description_that_does_not_fit_names_the_column_and_what_there_is(
    spark: SparkSession, changes: dict[str, Any]
) -> None:
    with pytest.raises(
        BadInput, match=r"(?s)source shop: .*customer.*log's columns: who, what.*conf/sources/shop\.toml"
    ):
        parsed(raw_frame(spark, [raw_row()]), **changes)


@pytest.mark.parametrize("sql", ["who +", "no_such_function(who)"])
def test_sql_that_is_none_is_bad_input_too(spark: SparkSession, sql: str) -> None:
    with pytest.raises(BadInput, match="source shop"):
        parsed(raw_frame(spark, [raw_row()]), item_features={"colour": sql})


def test_a_time_in_numbers_is_refused_with_the_way_to_write_it(spark: SparkSession) -> None:
    columns = SourceColumns(user_id="who", item_id="what", event_type="kind", event_time="cast(amount as bigint)")
    with pytest.raises(BadInput, match=r"event_time is bigint.*timestamp_seconds"):
        parsed(raw_frame(spark, [raw_row()]), columns=columns)


def test_hundreds_of_broken_rows_are_all_accounted_for(spark: SparkSession) -> None:
    chance = random.Random(7)
    junk = [None, "", " ", "\x00", "ann", "tea", "buy", "return", "2024-03-01 10:00:00", "2024-13-01", "-1", "NaN"]
    junk += [
        "1e999",
        "9999999999-01-01 00:00:00",
        "'; drop table behaviours --",
        "\ud7ff",
        "日本",
        "a" * 3000,
        "{}",
        "::",
    ]
    rows = [{name: chance.choice(junk) for name in RAW_NAMES} for _ in range(300)]
    rows += [raw_row(**{chance.choice(RAW_NAMES): chance.choice(junk)}) for _ in range(300)]
    dates = {"2024-03-01 10:00:00", "ann"}
    found = parsed(raw_frame(spark, rows))
    assert Counter(row[n.RAW] for row in found) == Counter(json_of(row) for row in rows)
    accepted = [row for row in found if row[n.REASON] is None]
    assert accepted
    assert all(json.loads(row[n.RAW])["at"] in dates for row in accepted)
    assert len({row[n.EVENT_ID] for row in accepted}) == len(accepted)


RAW_NAMES = list(raw_row())


def json_of(row: dict[str, Any]) -> str:
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False)


def test_partitions_and_the_order_of_files_change_nothing(spark: SparkSession) -> None:
    chance = random.Random(11)
    rows = [raw_row(who=f"u{chance.randrange(9)}", what=f"i{chance.randrange(5)}") for _ in range(120)]
    rows += [raw_row(who=None, what=f"i{chance.randrange(3)}") for _ in range(20)]
    halves = [raw_frame(spark, rows[:70], "a.parquet"), raw_frame(spark, rows[70:], "b.parquet")]
    once = parsed(halves[0].unionByName(halves[1]).coalesce(1))
    chance.shuffle(rows)
    assert parsed(halves[1].unionByName(halves[0]).repartition(7)) == once
    # Which file a row lay in may decide which copy is the first, never what is accepted or refused.
    content = Counter((row[n.EVENT_ID], row[n.REASON]) for row in parsed(raw_frame(spark, rows)))
    assert content == Counter((row[n.EVENT_ID], row[n.REASON]) for row in once)
