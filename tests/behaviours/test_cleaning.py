"""Times in numbers, events told twice, users who are no customers, and ten thousand broken rows."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.behaviours.days import EVER
from mind.behaviours.parse import parse
from mind.errors import BadInput
from mind.source import RefuseUsersRule, SourceColumns
from mind.tables import names as n
from tests.behaviours.shop import FIRST, LAST, raw_frame, raw_row, source
from tests.storage.frames import rows_of


def parsed(raw: DataFrame, **changes: Any) -> list[dict]:
    return rows_of(parse(raw, source(**changes), "UTC", FIRST, LAST))


@pytest.mark.parametrize(("unit", "one"), [("s", 1), ("ms", 1_000), ("us", 1_000_000)])
def test_a_number_counts_from_1970_in_the_sources_unit(spark: SparkSession, unit: str, one: int) -> None:
    moment = datetime(2024, 3, 1, 10, 0, 0, 250_000, tzinfo=UTC)
    good = str(int(moment.timestamp() * 4) * one / 4) if one < 4 else str(int(moment.timestamp() * 4) * one // 4)
    texts = [good, f" {good} ", "NaN", "1e400", "9" * 30, f"-{'9' * 18}", "", None, "2024-03-01 10:00:00", "soon"]
    rows = [raw_row(at=text, note=str(place)) for place, text in enumerate(texts)]
    found = {row[n.ITEM_ATTRIBUTES]["name"]: row for row in parsed(raw_frame(spark, rows), time_unit=unit)}
    assert {name for name, row in found.items() if row[n.REASON] is None} == {"0", "1"}
    assert found["0"][n.EVENT_TIME] == moment
    assert {row[n.REASON] for name, row in found.items() if name not in "01"} == {"unreadable_time"}


def test_a_number_in_a_column_of_numbers_keeps_its_parts(spark: SparkSession) -> None:
    raw = raw_frame(spark, [raw_row()]).withColumn("at", F.lit(1709287200123).cast("bigint"))
    (row,) = parsed(raw, time_unit="ms")
    assert row[n.EVENT_TIME] == datetime(2024, 3, 1, 10, 0, 0, 123_000, tzinfo=UTC)


def test_the_same_event_in_other_words_is_one_event_where_the_source_says_so(spark: SparkSession) -> None:
    rows = [raw_row(note=note) for note in "abc"] + [
        raw_row(what="pot"),
        raw_row(who=None),
        raw_row(who=None, note="d"),
    ]
    same = ("user_id", "item_id", "date_trunc('minute', event_time)")
    found = parsed(raw_frame(spark, rows), same_event=same)
    assert Counter(row[n.REASON] for row in found) == {None: 2, "same_event": 2, "no_user": 2}
    ids = {row[n.EVENT_ID] for row in found if row[n.ITEM_ID] == "tea" and row[n.USER_ID]}
    assert min(ids) in {row[n.EVENT_ID] for row in found if row[n.REASON] is None}
    again = parsed(raw_frame(spark, rows[::-1]).repartition(5), same_event=same)
    assert again == found
    assert Counter(row[n.REASON] for row in parsed(raw_frame(spark, rows)))[None] == 4


def test_a_user_is_refused_on_the_days_when_a_rule_holds_with_the_first_rules_reason(spark: SparkSession) -> None:
    rows = [raw_row(who="bot", what=f"i{place}") for place in range(6)]
    rows += [raw_row(who="bot", at="2024-03-02 10:00:00"), raw_row(who="bot", what=None)]
    rows += [raw_row(who="mule", note=str(place)) for place in range(4)]
    rows += [raw_row(who="ann", note="twice")] * 7
    rules = (
        RefuseUsersRule(reason="robot", where="count(*) > 5"),
        RefuseUsersRule(reason="one_item", where="count(*) > 3 and count(distinct item_id) = 1"),
    )
    found = parsed(raw_frame(spark, rows), refuse_users=rules)
    reasons = Counter((row[n.USER_ID], row[n.REASON]) for row in found)
    assert reasons == {
        ("bot", "robot"): 6,
        ("bot", None): 1,
        ("bot", "no_item"): 1,
        ("mule", "one_item"): 4,
        ("ann", None): 1,
        ("ann", "duplicate"): 6,
    }
    assert not any(row[n.BAD] for row in found if row[n.REASON] in ("robot", "one_item"))


@pytest.mark.parametrize(
    "changes", [{"refuse_users": (RefuseUsersRule(reason="x", where="count(price) > 1"),)}, {"same_event": ("price",)}]
)
def test_a_rule_that_does_not_fit_is_named(spark: SparkSession, changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"source shop: refuse_users or same_event .*price.*conf/sources/shop\.toml"):
        parsed(raw_frame(spark, [raw_row()]), **changes)


JUNK = [
    *(None, "", " ", "\t\n", "\x00", "\x1f", "null", "NULL", "None", "nan", "NaN", "inf", "-inf", "-1", "0", "-0.0"),
    *("1e999", "1_000", "0x1F", "٣", "½", "1,5", "9" * 40, "-" + "9" * 40, "2024-02-30", "2024-13-01 00:00:00"),
    *("0000-00-00", "9999999999-01-01", "10:00:00", "2024-03-01T25:00", "2024-03-01 10:00:00 Nowhere/Town", "now"),
    *(
        "'; drop table behaviours --",
        '"',
        "'",
        "\\",
        "\\N",
        "{}",
        "[]",
        "::",
        ",,,",
        "%s",
        "${x}",
        "../..",
        "é",
        "日本",
    ),
    *(
        "🫖",
        "\u200b",
        "\u202e",
        "\ufeff",
        "\ud7ff",
        "\ufffd",
        "a" * 5000,
        "buy",
        "return",
        "ann",
        "2024-03-01 10:00:00",
    ),
]


def test_ten_thousand_broken_rows_are_all_accounted_for(spark: SparkSession) -> None:
    """Every rule of cleaning at once; whatever a row holds, it ends up in one place, and nothing stops the night."""
    chance = random.Random(20)
    names = list(raw_row())
    rows = [
        raw_row(**{name: chance.choice(JUNK) for name in chance.sample(names, chance.randrange(1, 9))})
        for _ in range(10_000)
    ]
    given = {
        "columns": SourceColumns(
            user_id="who", item_id="what", event_type="kind", event_time="at", quantity="try_cast(amount as double)"
        ),
        "same_event": ("user_id", "item_id", "event_time", "quantity"),
        "refuse_users": (RefuseUsersRule(reason="robot", where="count(*) > 40 and user_id like 'a%'"),),
    }
    for unit in ("", "s"):
        found = parse(raw_frame(spark, rows).repartition(3), source(time_unit=unit, **given), "UTC", *EVER)
        counted = {
            row[n.REASON]: row["rows"] for row in found.groupBy(n.REASON).agg(F.count("*").alias("rows")).collect()
        }
        assert sum(counted.values()) == len(rows)
        assert len(counted) > 4
        per_id = found.where(F.col(n.REASON).isNull()).groupBy(n.EVENT_ID).count()
        assert per_id.where("count > 1").isEmpty()
