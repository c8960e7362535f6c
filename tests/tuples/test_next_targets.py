"""What follows a training target is later in the user's sequence and of the training split, whatever the split."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from mind.tables import names as n
from mind.tuples.build import build_tuples, target_sequences
from mind.tuples.splits import windows
from tests.behaviours.shop import behaviour, source
from tests.features.slow import Row, items_frame, log_frame, vocabulary_frame
from tests.storage.frames import rows_of
from tests.tuples.test_build import DS, section


def log_of_single_items(seed: int) -> list[Row]:
    """Each behaviour has an item of its own, so that an item tells when it was chosen; some share their instant."""
    chance = random.Random(seed)
    rows: list[Row] = []
    for user in range(30):
        for _ in range(chance.choice([1, 2, 3, 14, 30])):
            minutes = 24 * 60 * chance.randrange(12) + chance.randrange(3)
            number = len(rows)
            rows.append(behaviour(number, f"user {user}", f"item {chance.randrange(10**6)} {number}", minutes))
    return rows


@pytest.mark.parametrize(
    "choice",
    [
        {"split": "time"},
        {"split": "time", "targets_kept": "random", "history_days": 2},
        {"split": "last", "history_days": 2},
        {"split": "paper"},
    ],
    ids=lambda choice: "-".join(map(str, choice.values())),
)
def test_next_targets_are_the_training_targets_after_their_row_and_never_held_out(
    spark: SparkSession, choice: dict[str, Any]
) -> None:
    rows, count = log_of_single_items(11), 3
    index = {row[n.ITEM_ID]: place for place, row in enumerate(rows, start=2)}
    event = dict(enumerate(rows, start=2))
    given = section(**choice, next_targets=count + 1, targets_per_user=6)
    log = log_frame(spark, rows)
    tables = items_frame(spark, index), vocabulary_frame(spark)
    sequences = target_sequences(log, *tables, source(), DS, given).persist()
    found = rows_of(build_tuples(sequences, given))
    # Without a limit every target is a row: what validation and test ask for, and what there is to learn from.
    every = rows_of(build_tuples(sequences, given.model_copy(update={"targets_per_user": 10**6})))
    held_out = {row[n.EVENT_ID] for row in every if row[n.SPLIT] != "train"}
    learned = {row[n.EVENT_ID] for row in every if row[n.SPLIT] == "train"}
    first_held_out = windows(DS, given)["validation"].first
    seen = 0
    for row in found:
        following = row[n.NEXT_TARGETS]
        there = [item for item in following if item]
        assert len(following) == count
        assert following == there + [0] * (count - len(there))
        if row[n.SPLIT] != "train":
            assert not there
            continue
        assert not set(there) & {*row[n.HISTORY], row[n.TARGET][0]}
        events = [event[row[n.TARGET][0]], *(event[item] for item in there)]
        assert {each[n.USER_ID] for each in events} == {row[n.USER_ID]}
        order = [(each[n.EVENT_TIME], each[n.ITEM_ID]) for each in events]
        assert order == sorted(order)
        assert not {each[n.EVENT_ID] for each in events} & held_out
        if given.split == "time":
            assert all(each[n.EVENT_DAY] < first_held_out for each in events)
        if given.split == "last":
            ends = [held[n.TARGET_TIME] for held in every if held[n.USER_ID] == row[n.USER_ID]]
            assert all(each[n.EVENT_TIME] <= sorted(ends)[-3] for each in events)
        # Nothing to learn from lies between, and fewer than asked for only at the end.
        later = [each for each in rows if each[n.USER_ID] == row[n.USER_ID] and each[n.EVENT_ID] in learned]
        later = [each for each in later if (each[n.EVENT_TIME], each[n.ITEM_ID]) > order[0]]
        assert len(there) == min(len(later), count)
        assert all(
            (each[n.EVENT_TIME], each[n.ITEM_ID]) >= order[-1] for each in later if index[each[n.ITEM_ID]] not in there
        )
        seen += len(there)
    assert held_out
    assert seen > 50


def test_the_last_training_target_of_a_user_is_followed_by_nothing_though_it_bought_on(spark: SparkSession) -> None:
    days = windows(DS, section())
    rows = [behaviour(number, "ann", "tea", 24 * 60 * number) for number in range(12)]
    found = rows_of(
        build_tuples(
            target_sequences(
                log_frame(spark, rows), items_frame(spark), vocabulary_frame(spark), source(), DS, section()
            ),
            section(next_targets=3, targets_per_user=99),
        )
    )
    told = {row[n.TARGET_TIME].date(): row[n.NEXT_TARGETS] for row in found}
    end = days["train"].last
    assert told[end] == [0, 0]
    assert told[end - timedelta(days=1)] == [2, 0]
    assert told[end - timedelta(days=2)] == [2, 2]
    assert [told[day] for day in told if day > end] == [[0, 0]] * 5
