"""Indexes are dense, start at 2, and never move."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.errors import BadInput
from mind.features.vocabulary import RECENT, check_known, encode, entries_below, new_entries, observed_values, sizes
from mind.storage.audit import content_fingerprint, growing_fingerprints
from mind.tables import BEHAVIOURS, VOCABULARY
from mind.tables import names as n
from tests.behaviours.shop import START, behaviour
from tests.storage.frames import frame_of, rows_of

MONDAY, TUESDAY = date(2024, 1, 1), date(2024, 1, 2)
VALUES = ["a", "B", "é", "日本", "🫖", " a", "a ", 'q"q', "o'h", "10", "9", "\\", "A", "b", ""]


def observed_frame(spark: SparkSession, counts: dict[tuple[str, str], int]) -> DataFrame:
    rows = [{n.FEATURE: feature, n.VALUE: value, n.BEHAVIOURS: count} for (feature, value), count in counts.items()]
    schema = pa.schema([(n.FEATURE, pa.string()), (n.VALUE, pa.string()), (n.BEHAVIOURS, pa.int64())])
    return spark.createDataFrame(pa.Table.from_pylist(rows, schema=schema))


def held_frame(spark: SparkSession, held: dict[tuple[str, str], int]) -> DataFrame:
    rows = [
        {n.FEATURE: feature, n.VALUE: value, n.INDEX: index, n.ADDED_DS: MONDAY}
        for (feature, value), index in held.items()
    ]
    return frame_of(spark, VOCABULARY, rows)


def entries(frame: DataFrame) -> dict[tuple[str, str], int]:
    rows = rows_of(frame)
    assert len({(row[n.FEATURE], row[n.VALUE]) for row in rows}) == len(rows)
    return {(row[n.FEATURE], row[n.VALUE]): row[n.INDEX] for row in rows}


def slowly_added(held: dict, counts: dict, minimum: int) -> dict[tuple[str, str], int]:
    """One value after the other, in the order of the values, takes the next free number of its feature."""
    numbers = dict(held)
    for feature, value in sorted(counts):
        if counts[feature, value] >= minimum and (feature, value) not in numbers:
            numbers[feature, value] = max([1, *(i for (f, _), i in numbers.items() if f == feature)]) + 1
    return {key: index for key, index in numbers.items() if key not in held}


@settings(max_examples=2, deadline=None, derandomize=True, phases=[Phase.generate])
@given(seed=st.integers(0, 2**32), minimum=st.integers(1, 3))
def test_over_nights_the_old_indexes_stay_and_the_new_ones_follow(spark: SparkSession, seed: int, minimum: int) -> None:
    chance = random.Random(seed)
    held: dict[tuple[str, str], int] = {}
    for night in (MONDAY, TUESDAY):
        keys = [(feature, value) for feature in ("item_id", "colour") for value in VALUES]
        counts = {key: chance.randrange(1, 5) for key in chance.sample(keys, 16)}
        fresh = new_entries(observed_frame(spark, counts).repartition(3), held_frame(spark, held), minimum, night)
        assert {row[n.ADDED_DS] for row in rows_of(fresh)} <= {night}
        added = entries(fresh)
        assert added == slowly_added(held, counts, minimum)
        held |= added
        assert entries(new_entries(observed_frame(spark, counts), held_frame(spark, held), minimum, night)) == {}
    for feature in ("item_id", "colour"):
        indexes = sorted(index for (name, _), index in held.items() if name == feature)
        assert indexes == list(range(2, 2 + len(indexes)))


def test_observed_values_count_items_that_stand_and_every_profile(spark: SparkSession) -> None:
    red = {n.ITEM_VALUES: {"colour": "red", "size": None}, n.USER_VALUES: {"country": "France"}}
    undone = {n.ITEM_VALUES: {"colour": "blue", "size": "xl"}, n.USER_VALUES: {"country": "Peru"}}
    kept = [behaviour(1, "ann", "tea", 0, **red), behaviour(2, "bob", "tea", 0)]
    every = [*kept, behaviour(3, "bob", "pot", 24 * 60, **undone)]
    frames = frame_of(spark, BEHAVIOURS, kept), frame_of(spark, BEHAVIOURS, every)
    counted = rows_of(observed_values(*frames, START.date() + timedelta(days=1)))
    found = {(row[n.FEATURE], row[n.VALUE]): row[n.BEHAVIOURS] for row in counted}
    assert found == Counter(
        {("item_id", "tea"): 2, ("colour", "red"): 1, ("country", "France"): 1, ("country", "Peru"): 1}
    )
    recent = {(row[n.FEATURE], row[n.VALUE]) for row in counted if row[RECENT]}
    assert recent == {("country", "Peru")}


def test_values_of_the_last_days_that_get_no_index_are_counted_by_feature_and_gated(spark: SparkSession) -> None:
    counts = {
        ("item_id", "a"): (1, 1),
        ("item_id", "b"): (9, 3),
        ("item_id", "old"): (1, 0),  # a is held, old not recent
        ("colour", "rare"): (2, 2),
        ("colour", "new"): (3, 1),
        ("size", "gone"): (1, 0),
    }
    recent = F.create_map(*[F.lit(part) for (_, value), (_, late) in counts.items() for part in (value, late)])
    frame = observed_frame(spark, {key: every for key, (every, _) in counts.items()})
    frame = frame.withColumn(RECENT, recent[F.col(n.VALUE)])
    shares = check_known(frame, held_frame(spark, HELD), 3, 0.7)
    assert shares == {"item_id": 0.0, "colour": pytest.approx(2 / 3)}
    with pytest.raises(
        BadInput, match=r"maximum_unknown_share 0\.6: colour 0\.667\. Nothing was written.*minimum_count"
    ):
        check_known(frame, held_frame(spark, HELD), 3, 0.6)


HELD = {("item_id", "a"): 2, ("item_id", "b"): 3, ("colour", "red"): 2}


def test_sizes_leave_room_for_padding_and_unknown(spark: SparkSession) -> None:
    assert sizes(held_frame(spark, HELD), ("item_id", "colour", "country")) == {
        "item_id": 4,
        "colour": 3,
        "country": 2,
    }


def test_growth_keeps_a_models_fingerprint_and_a_moved_index_changes_it(spark: SparkSession) -> None:
    of_sizes = sizes(held_frame(spark, HELD), ("item_id", "colour"))

    def fingerprint(held: dict[tuple[str, str], int]) -> str:
        return content_fingerprint(entries_below(held_frame(spark, held), of_sizes))

    first = fingerprint(HELD)
    assert fingerprint(HELD | {("item_id", "c"): 4, ("colour", "blue"): 3, ("country", "Peru"): 2}) == first
    assert fingerprint({("item_id", "a"): 3, ("item_id", "b"): 2, ("colour", "red"): 2}) != first
    assert fingerprint(HELD | {("colour", "pink"): 2}) != first
    assert fingerprint({key: index for key, index in HELD.items() if key != ("colour", "red")}) != first


def test_growth_by_day_is_the_fingerprint_that_each_day_had(spark: SparkSession) -> None:
    later = {("item_id", "c"): 4, ("colour", "blue"): 3}
    others = {("country", "Peru"): 2}
    first, then = (held_frame(spark, held | others) for held in (HELD, HELD | later))
    grown = first.unionByName(held_frame(spark, later).withColumn(n.ADDED_DS, F.lit(TUESDAY))).repartition(3)
    features = ("item_id", "colour")
    of_day = [content_fingerprint(entries_below(held, sizes(held, features))) for held in (first, then)]
    found = growing_fingerprints(entries_below(grown, sizes(grown, features), n.ADDED_DS), n.ADDED_DS)
    assert list(found.items()) == [(str(MONDAY), of_day[0]), (str(TUESDAY), of_day[1])]


def test_codes_are_0_where_missing_1_where_unknown_and_in_the_features_order(spark: SparkSession) -> None:
    given = {
        "held": {"item_id": "b", "colour": "red"},
        "null": {"item_id": "a", "colour": None},
        "absent": {"item_id": "a"},
        "unknown": {"item_id": "z", "colour": "a"},
        "another case": {"item_id": "A", "colour": "red "},
        "empty": {},
    }
    frame = spark.createDataFrame(list(given.items()), "name string, given map<string,string>")
    coded = encode(frame, "given", ("item_id", "colour"), held_frame(spark, HELD), "codes")
    assert coded.columns == ["name", "given", "codes"]
    assert {row["name"]: row["codes"] for row in rows_of(coded)} == {
        "held": [3, 2],
        "null": [2, 0],
        "absent": [2, 0],
        "unknown": [1, 1],
        "another case": [1, 1],
        "empty": [0, 0],
    }
    assert coded.schema["codes"].dataType.simpleString() == "array<int>"


def test_no_features_give_empty_codes(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("x", {})], "name string, given map<string,string>")
    assert [row["codes"] for row in rows_of(encode(frame, "given", (), held_frame(spark, HELD), "codes"))] == [[]]
