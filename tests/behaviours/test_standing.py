"""A cancellation undoes the latest earlier purchase that still stands, as a stack would have it."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from mind.behaviours.standing import standing
from mind.tables import BEHAVIOURS
from mind.tables import names as n
from tests.behaviours.shop import behaviour, source
from tests.storage.frames import frame_of, rows_of


def with_stacks(rows: list[dict[str, Any]]) -> set[str]:
    """Event ids that stand: one stack of purchases per user, item and quantity; of one instant purchases come first."""
    stacks: dict[tuple, list[str]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row[n.EVENT_TIME], row[n.EVENT_TYPE] == "return", row[n.EVENT_ID])):
        stack = stacks[row[n.USER_ID], row[n.ITEM_ID], row[n.QUANTITY]]
        if row[n.EVENT_TYPE] == "buy":
            stack.append(row[n.EVENT_ID])
        elif row[n.EVENT_TYPE] == "return" and stack:
            stack.pop()
    return {event for stack in stacks.values() for event in stack}


def standing_ids(spark: SparkSession, rows: list[dict[str, Any]], **changes: Any) -> list[str]:
    frame = frame_of(spark, BEHAVIOURS, rows)
    return sorted(row[n.EVENT_ID] for row in rows_of(standing(frame, source(**changes)), n.EVENT_ID))


@settings(max_examples=4, deadline=None, derandomize=True, phases=[Phase.generate])
@given(seed=st.integers(0, 2**32), returns=st.sampled_from([0.2, 0.5, 0.8]))
def test_random_logs_stand_as_a_stack_leaves_them(spark: SparkSession, seed: int, returns: float) -> None:
    """50 users at a time: few items, amounts and moments, so that ties and unmatched cancellations are common."""
    chance = random.Random(seed)
    rows = []
    for user in range(50):
        for _ in range(chance.randrange(1, 14)):
            kind = "return" if chance.random() < returns else "buy"
            kind = "view" if chance.random() < 0.05 else kind
            minute, item = chance.randrange(8), chance.choice("xy")
            changes = {n.EVENT_TYPE: kind, n.QUANTITY: chance.choice([1.0, 1.0, 2.0])}
            rows.append(behaviour(chance.randrange(10**6) * 10**3 + len(rows), f"u{user}", item, minute, **changes))
    assert standing_ids(spark, rows) == sorted(with_stacks(rows))


def line(kinds: str, **changes: Any) -> list[dict[str, Any]]:
    """One event a minute: b buys, r returns."""
    names = {"b": "buy", "r": "return"}
    return [behaviour(i, "ann", "tea", i, **{n.EVENT_TYPE: names[kind], **changes}) for i, kind in enumerate(kinds)]


def test_the_latest_purchase_goes_first_and_an_early_return_takes_none(spark: SparkSession) -> None:
    assert standing_ids(spark, line("rbbrb")) == ["000001", "000004"]


def test_a_return_of_another_amount_item_or_user_takes_none(spark: SparkSession) -> None:
    given = {n.EVENT_TYPE: "return"}
    others = [
        behaviour(1, "ann", "tea", 1, **given, **{n.QUANTITY: 2.0}),
        behaviour(2, "ann", "pot", 1, **given),
        behaviour(3, "bob", "tea", 1, **given),
    ]
    assert standing_ids(spark, [behaviour(0, "ann", "tea", 0), *others]) == ["000000"]


def test_a_source_without_cancellations_keeps_every_positive_event(spark: SparkSession) -> None:
    assert standing_ids(spark, line("brb"), cancelling_events=()) == ["000000", "000002"]


def test_the_rows_that_stand_are_unchanged(spark: SparkSession) -> None:
    rows = line("bbr", **{n.ITEM_VALUES: {"colour": "red", "size": None}, n.USER_VALUES: {"country": "France"}})
    kept = standing(frame_of(spark, BEHAVIOURS, rows), source())
    assert kept.columns == BEHAVIOURS.column_names
    assert rows_of(kept) == rows_of(frame_of(spark, BEHAVIOURS, rows[:1]))
