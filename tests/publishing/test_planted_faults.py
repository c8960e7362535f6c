"""Each fault of a staged night fails its own gate and no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyspark.sql import SparkSession

from mind.errors import GateFailed
from mind.publishing.gates import judge, require
from mind.tables import names as n
from tests.publishing.staged_night import SECTION, Lists, Night, a_list, clean, failed


@pytest.fixture(scope="module")
def night(spark: SparkSession) -> Night:
    return Night(spark)


def short_list(lists: Lists) -> None:
    for name in (n.ITEM_IDS, n.SCORES, n.INTEREST_OF_ORIGIN):
        lists["bob"][name] = lists["bob"][name][:2]


def missing_score(lists: Lists) -> None:
    lists["bob"][n.SCORES] = [0.9, 0.5]


def missing_interest(lists: Lists) -> None:
    lists["bob"][n.INTEREST_OF_ORIGIN] = [0, 1]


def long_list(lists: Lists) -> None:
    lists["bob"] |= {
        n.ITEM_IDS: ["d", "b", "a", "e"],
        n.SCORES: [0.9, 0.5, 0.5, 0.1],
        n.INTEREST_OF_ORIGIN: [0, 0, 0, 0],
    }


def repeated_item(lists: Lists) -> None:
    lists["bob"][n.ITEM_IDS] = ["d", "b", "d"]


def score_that_is_no_number(lists: Lists) -> None:
    lists["bob"][n.SCORES] = [float("nan"), 0.5, 0.5]  # first, where the order cannot show it


def infinite_score(lists: Lists) -> None:
    lists["bob"][n.SCORES] = [float("inf"), 0.5, 0.5]


def unordered_scores(lists: Lists) -> None:
    lists["bob"][n.SCORES] = [0.9, 0.4, 0.5]


def unknown_item(lists: Lists) -> None:
    lists["bob"][n.ITEM_IDS] = ["d", "zebra", "a"]


def missing_user(lists: Lists) -> None:
    del lists["fay"]


def strange_user(lists: Lists) -> None:
    lists["zoe"] = lists["eve"] | {n.USER_ID: "zoe"}


def dropped_history(lists: Lists) -> None:
    lists["fay"] = a_list("fay", ["a", "b", "d"])
    lists["bob"] = a_list("bob", ["d", "b", "a"], origin="fallback")


def foreign_model(lists: Lists) -> None:
    for row in lists.values():
        row[n.MODEL_CHECKSUM] = "other weights"


def two_indexes(lists: Lists) -> None:
    lists["bob"][n.INDEX_CHECKSUM] = "another index"


def poor_coverage(lists: Lists) -> None:
    for row in lists.values():
        row[n.ITEM_IDS] = ["a", "b"]
        row[n.SCORES], row[n.INTEREST_OF_ORIGIN] = [0.9, 0.5], [0, 0]
        row[n.SHORTFALL] = "catalogue exhausted"


def much_fallback(lists: Lists) -> None:
    lists["gus"] = lists["eve"] | {n.USER_ID: "gus"}
    lists["hal"] = lists["eve"] | {n.USER_ID: "hal"}


def blocked_item(lists: Lists) -> None:
    lists["cas"][n.ITEM_IDS] = ["z", "e", "a"]


def touched_item(lists: Lists) -> None:
    lists["bob"][n.ITEM_IDS] = ["d", "c", "a"]


def lists_of_another_taste(lists: Lists) -> None:
    for user in ("ann", "bob", "cas"):
        lists[user][n.ITEM_IDS] = ["e", "d", "a"]
    lists["ann"][n.ITEM_IDS] = ["e", "d", "c"]


def lists_that_say_that_there_is_no_more(lists: Lists) -> None:
    for user in ("ann", "eve"):
        for name in (n.ITEM_IDS, n.SCORES, n.INTEREST_OF_ORIGIN):
            lists[user][name] = lists[user][name][:2]
        lists[user][n.SHORTFALL] = "catalogue exhausted"


@pytest.mark.parametrize(
    ("plant", "gates"),
    [
        (short_list, ["short_lists"]),
        (missing_score, ["unequal_lengths"]),
        (missing_interest, ["unequal_lengths"]),
        (long_list, ["unequal_lengths"]),
        (repeated_item, ["repeated_items"]),
        (score_that_is_no_number, ["broken_scores"]),
        (infinite_score, ["broken_scores"]),
        (unordered_scores, ["unordered_scores"]),
        (unknown_item, ["unknown_items"]),
        (missing_user, ["missing_users"]),
        (strange_user, ["strange_users"]),
        (dropped_history, ["dropped_histories"]),
        (foreign_model, ["foreign_versions"]),
        (two_indexes, ["versions"]),
        (poor_coverage, ["full_share", "coverage", "places_over_last_night"]),
        (much_fallback, ["strange_users", "fallback_share"]),
        (blocked_item, ["left_out_items"]),
        (touched_item, ["touched_items"]),
        (lists_of_another_taste, ["overlap_with_last_night"]),
        (lists_that_say_that_there_is_no_more, ["full_share"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_fault_fails_its_own_gate_alone(
    night: Night, plant: Callable[[Lists], None], gates: list[str]
) -> None:
    lists = clean()
    plant(lists)
    found = night.measured(lists)
    assert failed(found) == gates
    with pytest.raises(GateFailed, match=f"{gates[0]} is "):
        require(judge(found, SECTION))
