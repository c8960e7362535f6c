"""Training tuples are what a loop over each user's events gives."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from mind.behaviours.standing import still_standing, with_undoing
from mind.config import TuplesSection
from mind.errors import BadInput
from mind.tables import names as n
from mind.tuples.build import build_tuples, count_targets, target_sequences, training_behaviours
from mind.tuples.manifest import facts
from mind.tuples.splits import SPLITS, Window, windows
from tests.behaviours.shop import behaviour, source
from tests.behaviours.test_standing import with_stacks
from tests.features.slow import (
    DAY,
    ages_before,
    by_user,
    items_frame,
    log_frame,
    random_log,
    tuples_of,
    vocabulary_frame,
)
from tests.storage.frames import rows_of

DS = DAY + timedelta(days=11)


def section(**changes: Any) -> TuplesSection:
    given = {
        "history_length": 4,
        "history_days": 0,
        "split": "time",
        "train_days": 6,
        "validation_days": 2,
        "test_days": 3,
        "targets_per_user": 3,
        "targets_kept": "latest",
        "next_targets": 1,
        "files": 2,
    }
    return TuplesSection(**{**given, **changes})


def sequences(
    spark: SparkSession, rows: list[dict], partitions: int = 2, given: TuplesSection | None = None, **changes: Any
) -> DataFrame:
    log = log_frame(spark, rows).repartition(partitions)
    tables = items_frame(spark), vocabulary_frame(spark)
    return target_sequences(log, *tables, source(**changes), DS, given or section())


def chances(spark: SparkSession, rows: list[dict]) -> dict[str, tuple[int, int]]:
    """What Spark's hash makes of each event id: its part of twenty, and its place in the order by chance."""
    ids = spark.createDataFrame([(row[n.EVENT_ID],) for row in rows], "id string")
    hashed = ids.selectExpr("id", "cast(pmod(xxhash64(id, 'split'), 20) as int) part", "xxhash64(id, 'kept') place")
    return {row["id"]: (row["part"], row["place"]) for row in hashed.collect()}


def in_order(rows: list[dict]) -> list[dict]:
    return sorted(rows, key=lambda row: repr(sorted(row.items())))


@pytest.mark.parametrize(
    ("split", "kept", "days"),
    [("time", "latest", 0), ("time", "random", 2), ("last", "latest", 1), ("paper", "random", 0)],
)
@settings(max_examples=1, deadline=None, derandomize=True, phases=[Phase.generate])
@given(seed=st.integers(0, 2**32), length=st.integers(1, 8), most=st.integers(1, 6))
def test_tuples_and_their_counts_are_what_a_loop_finds(
    spark: SparkSession, split: str, kept: str, days: int, seed: int, length: int, most: int
) -> None:
    """50 users' logs at once, with events of one instant and of unlisted items, some users with one event alone."""
    choice = {"split": split, "targets_kept": kept, "history_days": days}
    rows, given = random_log(seed), section(history_length=length, targets_per_user=most, **choice)
    chance = chances(spark, rows)
    expected = tuples_of(rows, windows(DS, given), given, chance)
    found = sequences(spark, rows, given=given)
    assert rows_of(build_tuples(found, given)) == in_order(expected)
    events = by_user(rows)
    for row in expected:
        row[n.HISTORY_AGES] = ages_before(events[row[n.USER_ID]], row[n.TARGET_TIME], length, days)
    assert rows_of(build_tuples(found, given, ages=True)) == in_order(expected)
    several = given.model_copy(update={"next_targets": 3})
    assert rows_of(build_tuples(found, several)) == in_order(tuples_of(rows, windows(DS, given), several, chance))
    counted = count_targets(found, DS, given)
    assert counted.kept == dict(Counter(row[n.SPLIT] for row in expected))
    first = windows(DS, given)["train"].first
    in_windows = [row for events in by_user(rows).values() for row in events if first <= row[n.EVENT_DAY] <= DS]
    unlimited = len(tuples_of(rows, windows(DS, given), section(targets_per_user=99, **choice), chance))
    assert counted.behaviours == len(in_windows)
    assert counted.without_history == len(in_windows) - unlimited
    assert counted.above_limit == unlimited - len(expected)


@pytest.mark.parametrize(
    ("split", "kept", "days", "following"),
    [("time", "latest", 0, 1), ("time", "random", 3, 3), ("last", "latest", 3, 1), ("paper", "random", 0, 3)],
)
@settings(max_examples=1, deadline=None, derandomize=True, phases=[Phase.generate])
@given(seed=st.integers(0, 2**32), length=st.integers(1, 6))
def test_what_was_cancelled_later_is_in_histories_of_before_and_no_target(
    spark: SparkSession, split: str, kept: str, days: int, following: int, seed: int, length: int
) -> None:
    """Each history is what a stack of the user's events before the target's moment leaves standing."""
    rows = [row for row in random_log(seed, returns=0.3) if row[n.ITEM_ID] not in ("é", "日本", "a b", "-1")]
    choice = {"split": split, "targets_kept": kept, "history_days": days, "next_targets": following}
    given = section(history_length=length, targets_per_user=2, **choice)

    def stood(target: dict[str, Any]) -> list[dict[str, Any]]:
        user, as_of = target[n.USER_ID], target[n.EVENT_TIME]
        own = [event for event in rows if event[n.USER_ID] == user and event[n.EVENT_TIME] < as_of]
        left = with_stacks(own)
        return by_user([event for event in own if event[n.EVENT_ID] in left]).get(user, [])

    stands, of_id = with_stacks(rows), {row[n.EVENT_ID]: row for row in rows}
    targets = [row for row in rows if row[n.EVENT_ID] in stands]
    chance = chances(spark, rows)
    expected = tuples_of(targets, windows(DS, given), given, chance, stood)
    for row in expected:
        row[n.HISTORY_AGES] = ages_before(stood(of_id[row[n.EVENT_ID]]), row[n.TARGET_TIME], length, days)
    log = with_undoing(log_frame(spark, rows).repartition(3), source())

    def made(positive: DataFrame) -> DataFrame:
        return target_sequences(positive, items_frame(spark), vocabulary_frame(spark), source(), DS, given)

    assert rows_of(build_tuples(made(log), given, ages=True)) == in_order(expected)
    assert count_targets(made(log), DS, given).kept == dict(Counter(row[n.SPLIT] for row in expected))
    as_it_ended = build_tuples(made(still_standing(log)), given, ages=True)
    assert rows_of(as_it_ended) != in_order(expected), "no purchase was cancelled between a target and the end"


def test_partitions_and_the_order_of_rows_change_no_tuple(spark: SparkSession) -> None:
    rows = random_log(77)
    once = rows_of(build_tuples(sequences(spark, rows, 1), section()))
    before = spark.conf.get("spark.sql.shuffle.partitions")
    try:
        spark.conf.set("spark.sql.shuffle.partitions", "5")
        assert rows_of(build_tuples(sequences(spark, rows[::-1], 7), section())) == once
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", before)
    assert once


def test_events_of_one_instant_are_not_in_each_others_history(spark: SparkSession) -> None:
    rows = [behaviour(1, "ann", "tea", 0)]
    rows += [behaviour(2 + place, "ann", item, 24 * 60 * 11) for place, item in enumerate(["pot", "é", "tea"])]
    found = rows_of(build_tuples(sequences(spark, rows), section()))
    assert [row[n.HISTORY] for row in found] == [[2, 0, 0, 0]] * 3


def test_the_most_recent_targets_of_each_split_are_kept(spark: SparkSession) -> None:
    rows = [behaviour(number, "ann", "tea", 6 * 60 * number) for number in range(47)]
    found = rows_of(build_tuples(sequences(spark, rows), section(targets_per_user=2)))
    days = windows(DS, section())
    for split in SPLITS:
        inside = [row[n.EVENT_ID] for row in rows if days[split].first <= row[n.EVENT_DAY] <= days[split].last]
        assert [row[n.EVENT_ID] for row in found if row[n.SPLIT] == split] == inside[-2:]


def test_a_type_with_share_0_is_in_histories_and_never_a_target_and_one_between_sometimes(spark: SparkSession) -> None:
    kinds = ["buy", "look", "cart"]
    rows = [
        behaviour(number, f"user {number % 40}", "tea", 24 * 60 * 6 + number, **{n.EVENT_TYPE: kinds[number % 3]})
        for number in range(1200)
    ]
    shop = {"positive_events": tuple(kinds), "target_shares": {"look": 0.0, "cart": 0.5}}
    given = section(targets_per_user=99)
    found = rows_of(build_tuples(sequences(spark, rows, given=given, **shop), given))
    kind_of = {row[n.EVENT_ID]: row[n.EVENT_TYPE] for row in rows}
    targets = Counter(kind_of[row[n.EVENT_ID]] for row in found)
    assert targets["look"] == 0
    assert targets["buy"] == sum(row[n.EVENT_TYPE] == "buy" for row in rows[40:])
    assert 150 < targets["cart"] < 240
    last = max(found, key=lambda row: row[n.TARGET_TIME])
    assert last[n.HISTORY_LENGTH] == given.history_length


def test_what_a_split_by_users_holds_out_is_not_counted_for_training(spark: SparkSession) -> None:
    rows, given = random_log(8), section(split="last", targets_per_user=99)
    log = log_frame(spark, rows)
    made = build_tuples(sequences(spark, rows, given=given), given)
    held_out = {row[n.EVENT_ID] for row in rows_of(made) if row[n.SPLIT] != "train"}
    counted = {row[n.EVENT_ID] for row in rows_of(training_behaviours(log, made, given))}
    assert held_out
    assert counted == {row[n.EVENT_ID] for row in rows} - held_out
    assert training_behaviours(log, made, section()) is log


def test_days_of_the_splits_follow_each_other_back_from_ds() -> None:
    assert windows(date(2024, 3, 1), section()) == {
        "train": Window(first=date(2024, 2, 20), last=date(2024, 2, 25)),
        "validation": Window(first=date(2024, 2, 26), last=date(2024, 2, 27)),
        "test": Window(first=date(2024, 2, 28), last=date(2024, 3, 1)),
    }


@pytest.mark.parametrize("split", SPLITS)
def test_an_empty_split_is_refused_with_its_days_and_its_key(spark: SparkSession, split: str) -> None:
    window = windows(DS, section())[split]
    rows = [row for row in random_log(4) if not window.first <= row[n.EVENT_DAY] <= window.last]
    with pytest.raises(BadInput, match=rf"no {split} tuple.*{window.first} to {window.last}.*tuples\.{split}_days"):
        count_targets(sequences(spark, rows), DS, section())


def test_the_facts_of_a_night_add_up(spark: SparkSession) -> None:
    counted = count_targets(sequences(spark, random_log(6)), DS, section())
    of_sizes = {"item_id": 10, "colour": 3, "size": 2, "country": 5}
    told = facts(source(), DS, section(), counted, of_sizes, "f00d", {"2024-03-01": "beef"})
    assert list(told["item_features"]) == ["item_id", "colour", "size"]
    assert told["profile_features"] == {"country": 5}
    assert (told["history_length"], told["vocabulary"]) == (4, "f00d")
    assert told["vocabulary_grew"] == {"2024-03-01": "beef"}
    targets = told["facts"]["targets"]
    assert targets["behaviours"] == targets["without_history"] + targets["above_limit"] + sum(targets["kept"].values())
    assert told["facts"]["days"]["test"] == ["2024-03-10", "2024-03-12"]
