"""A history at a moment holds what is strictly older, and training and serving see the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from mind.behaviours.days import end_of
from mind.behaviours.standing import standing, with_undoing
from mind.config import TuplesSection
from mind.features.history import histories_at_end, user_sequences, within_reach
from mind.tables import names as n
from mind.tuples.build import build_tuples, target_sequences
from tests.behaviours.shop import START, behaviour, source
from tests.features.slow import (
    COUNTRIES,
    ITEM_INDEX,
    ages_before,
    by_user,
    items_frame,
    known_before,
    log_frame,
    random_log,
    vocabulary_frame,
)
from tests.storage.frames import rows_of

END = datetime(2030, 1, 1, tzinfo=UTC)
KNOWN = (n.USER_ID, n.HISTORY, n.HISTORY_LENGTH, n.PROFILE, n.HISTORY_AGES)


def every_target(length: int, days: int = 0) -> TuplesSection:
    of_split = {"train_days": 30, "validation_days": 1, "test_days": 1}
    limit = {"targets_per_user": 99, "targets_kept": "latest", "next_targets": 1}
    return TuplesSection(history_length=length, history_days=days, split="time", files=1, **of_split, **limit)  # type: ignore[arg-type]


def at_end(
    spark: SparkSession, rows: list[dict], length: int, most_recent: int | None = None, as_of: datetime | None = None
) -> list[dict]:
    tables = items_frame(spark), vocabulary_frame(spark)
    sequences = user_sequences(log_frame(spark, rows).repartition(3), *tables, source(), most_recent)
    return rows_of(histories_at_end(sequences, length, as_of, ages=as_of is not None))


@settings(max_examples=3, deadline=None, derandomize=True, phases=[Phase.generate])
@given(seed=st.integers(0, 2**32), length=st.integers(1, 9))
def test_histories_of_random_logs_are_what_a_loop_finds(spark: SparkSession, seed: int, length: int) -> None:
    rows = random_log(seed)
    expected = [{n.USER_ID: user} | known_before(events, END, length) for user, events in by_user(rows).items()]
    expected.sort(key=lambda row: repr(sorted(row.items())))
    assert at_end(spark, rows, length) == expected
    for row in expected:
        row[n.HISTORY_AGES] = ages_before(by_user(rows)[row[n.USER_ID]], END, length)
    expected.sort(key=lambda row: repr(sorted(row.items())))
    assert at_end(spark, rows, length, most_recent=length, as_of=END) == expected


def test_one_instant_is_ordered_by_item_then_profile(spark: SparkSession) -> None:
    rows = [behaviour(9, "ann", "pot", 0), behaviour(1, "ann", "tea", 0), behaviour(5, "ann", "pot", 0)]
    rows[0][n.USER_VALUES] = {"country": "Chad"}
    rows[1][n.USER_VALUES] = {"country": "France"}
    rows.append(behaviour(2, "ann", "tea", 0, **{n.USER_VALUES: {"country": "Peru"}}))
    rows.append(behaviour(0, "ann", "tea", 0, **{n.USER_VALUES: {"country": None}}))
    (found,) = at_end(spark, rows, 5)
    assert found[n.HISTORY] == [ITEM_INDEX["pot"], ITEM_INDEX["pot"], *[ITEM_INDEX["tea"]] * 3]
    assert found[n.PROFILE] == [COUNTRIES["Peru"]]


def test_a_source_without_profile_features_has_empty_profiles(spark: SparkSession) -> None:
    tables = log_frame(spark, [behaviour(1, "ann", "tea", 0)]), items_frame(spark), vocabulary_frame(spark)
    (found,) = rows_of(histories_at_end(user_sequences(*tables, source(user_features={})), 2))
    assert found[n.PROFILE] == []


def at(moment: datetime) -> dict[str, Any]:
    return {n.EVENT_TIME: moment, n.EVENT_DAY: moment.date()}


@pytest.mark.parametrize("days", [0, 12])
def test_serving_sees_the_bytes_that_training_saw(spark: SparkSession, days: int) -> None:
    """Each user gets one more target after the log; its history is the one that serving takes without it, and so are
    its ages where the target comes when the day of serving ends. Whom cancellations or `history_days` leave nothing has
    neither."""
    length, rows = 6, random_log(23, returns=0.2)
    later = end_of(START.date() + timedelta(days=20), "Asia/Kathmandu")
    planted = [
        behaviour(10**9 + place, user, "tea", 0, **at(later), **{n.QUANTITY: 7.0})
        for place, user in enumerate(by_user(rows))
    ]
    tables = items_frame(spark), vocabulary_frame(spark)
    section = every_target(length, days)
    # What was cancelled after the target had not been, when it came.
    after = later + timedelta(hours=1)
    cancelled = [
        event | at(after) | {n.EVENT_ID: f"after {event[n.EVENT_ID]}", n.EVENT_TYPE: "return"} for event in rows[::3]
    ]
    positive = with_undoing(log_frame(spark, rows + planted + cancelled), source())
    everything = target_sequences(positive, *tables, source(), later.date(), section)
    trained = build_tuples(everything, section, ages=True).where(f"{n.SPLIT} = 'test'").select(*KNOWN)
    known = within_reach(standing(log_frame(spark, rows), source()), later, days)
    sequences = user_sequences(known, *tables, source(), most_recent=length)
    served = histories_at_end(sequences, length, later, ages=True).select(*KNOWN)
    in_order = [(name, "ascending") for name in KNOWN[:1]]
    trained_table, served_table = (frame.toArrow().sort_by(in_order) for frame in (trained, served))
    assert trained_table[n.USER_ID].equals(served_table[n.USER_ID])
    assert 0 < trained_table.num_rows < len(planted)
    for name in KNOWN[1:]:
        one, other = (table[name].combine_chunks() for table in (trained_table, served_table))
        assert one.type == other.type
        assert one.equals(other), name


@pytest.mark.parametrize(("later_us", "seen"), [(-1, False), (0, False), (1, True)])
def test_a_planted_future_is_seen_only_by_what_comes_after_it(spark: SparkSession, later_us: int, seen: bool) -> None:
    """The future's item and country have codes; a target at the same instant or before may not know them."""
    rows = [row for row in random_log(5) if row[n.ITEM_ID] != "-1" and row[n.USER_VALUES]["country"] != "Peru"]
    users = list(by_user(rows))
    future = START + timedelta(days=15)
    moment = future + timedelta(microseconds=later_us)
    for place, user in enumerate(users):
        planted = {n.EVENT_TIME: future, n.EVENT_DAY: future.date(), n.USER_VALUES: {"country": "Peru"}}
        rows.append(behaviour(place, user, "-1", 0, **planted))
        rows.append(behaviour(10**9 + place, user, "tea", 0, **{n.EVENT_TIME: moment, n.EVENT_DAY: moment.date()}))
    tables = items_frame(spark), vocabulary_frame(spark)
    sequences = target_sequences(log_frame(spark, rows), *tables, source(), future.date(), every_target(30))
    made = rows_of(build_tuples(sequences, every_target(30)))
    targets = {str(10**9 + place) for place in range(len(users))}
    assert targets <= {row[n.EVENT_ID] for row in made}
    for row in made:
        knows = ITEM_INDEX["-1"] in row[n.HISTORY], row[n.PROFILE] == [COUNTRIES["Peru"]]
        expected = seen and row[n.EVENT_ID] in targets
        assert knows == (expected, expected), row
