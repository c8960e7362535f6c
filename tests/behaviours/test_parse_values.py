"""What parsing makes of the single values of a row: ids, moments, amounts, features."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow as pa
from pyspark.sql import SparkSession

from mind.behaviours.parse import UNREADABLE_QUANTITY
from mind.tables import names as n
from tests.behaviours.shop import raw_frame, raw_row
from tests.behaviours.test_parse import parsed


def test_ids_of_any_letters_stay_what_they_are(spark: SparkSession) -> None:
    ids = ["Ann B", "o'hara", 'a "quoted" id', "naïve", "日本", "🫖", " leading", "x\ty", "a\\b", "9007199254740993"]
    rows = [raw_row(who=name, what=f"{name}!") for name in ids]
    found = parsed(raw_frame(spark, rows))
    assert {(row[n.USER_ID], row[n.ITEM_ID]) for row in found} == {(name, f"{name}!") for name in ids}
    assert {json.loads(row[n.RAW])["who"] for row in found} == set(ids)
    assert all(row[n.REASON] is None for row in found)


def test_large_integer_ids_do_not_lose_a_digit(spark: SparkSession) -> None:
    raw = raw_frame(spark, [raw_row(), raw_row()]).drop("who").toArrow()
    raw = raw.append_column("who", pa.array([2**53 + 1, 2**63 - 1], pa.int64()))
    assert {row[n.USER_ID] for row in parsed(spark.createDataFrame(raw))} == {str(2**53 + 1), str(2**63 - 1)}


def test_a_text_with_a_zone_is_that_moment_and_one_without_is_local(spark: SparkSession) -> None:
    texts = {
        "2024-07-01 10:00:00": datetime(2024, 7, 1, 9, tzinfo=UTC),
        "2024-07-01T10:00:00.25": datetime(2024, 7, 1, 9, 0, 0, 250_000, tzinfo=UTC),
        "2024-07-01": datetime(2024, 6, 30, 23, tzinfo=UTC),
        "2024-07-01 10:00": datetime(2024, 7, 1, 9, tzinfo=UTC),
        "2024-07-01T10:00:00Z": datetime(2024, 7, 1, 10, tzinfo=UTC),
        "2024-07-01T10:00:00.5+00:00": datetime(2024, 7, 1, 10, 0, 0, 500_000, tzinfo=UTC),
        "2024-07-01T10:00:00+05:30": datetime(2024, 7, 1, 4, 30, tzinfo=UTC),
        "2024-07-01 10:00:00 -08:00": datetime(2024, 7, 1, 18, tzinfo=UTC),
        "2024-07-01 10:00:00 Asia/Tokyo": datetime(2024, 7, 1, 1, tzinfo=UTC),
        "2024-07-01 10:00:00 UTC": datetime(2024, 7, 1, 10, tzinfo=UTC),
        "2024-07-01 10:00:00 Nowhere/Town": None,
    }
    rows = [raw_row(note=text, at=text) for text in texts]
    found = parsed(raw_frame(spark, rows), time_zone="Europe/London")
    assert {json.loads(row[n.RAW])["note"]: row[n.EVENT_TIME] for row in found} == texts


def test_an_amount_that_is_no_number_is_refused_and_one_that_is_not_given_counts_as_one(spark: SparkSession) -> None:
    rows = [raw_row(note=text or "null", amount=text) for text in ("2.5", "many", "", " ", None)]
    found = parsed(raw_frame(spark, rows))
    assert {json.loads(row[n.RAW])["amount"]: (row[n.QUANTITY], row[n.REASON], row[n.BAD]) for row in found} == {
        "2.5": (2.5, None, False),
        "many": (None, UNREADABLE_QUANTITY, True),
        "": (1.0, None, False),
        " ": (1.0, None, False),
        None: (1.0, None, False),
    }


def test_values_are_kept_by_feature_and_null_where_the_row_gives_none(spark: SparkSession) -> None:
    (row,) = parsed(raw_frame(spark, [raw_row()]))
    assert row[n.ITEM_VALUES] == {"colour": "red", "size": None}
    assert row[n.USER_VALUES] == {"country": "France"}
    assert row[n.ITEM_ATTRIBUTES] == {"name": "Tea"}
    assert row[n.SOURCE] == "shop"
