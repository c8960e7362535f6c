"""Each fault of a staged night fails its own gate and no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from mind.config import GatesSection
from mind.errors import GateFailed
from mind.publishing.gates import judge, measure, require
from mind.storage.spark_schema import spark_schema
from mind.tables import STAGED
from mind.tables import names as n

SECTION = GatesSection(
    minimum_users=3, maximum_fallback_share=0.5, minimum_user_ratio=0.8, minimum_coverage=0.5, minimum_recall=0.89
)
WANTED = 3
Lists = dict[str, dict[str, Any]]


def a_list(user: str, items: list[str], origin: str = "model") -> dict[str, Any]:
    return {
        n.USER_ID: user,
        n.ITEM_IDS: items,
        n.SCORES: [0.9, 0.5, 0.5],
        n.INTEREST_OF_ORIGIN: [0, 1, 0] if origin == "model" else [-1, -1, -1],
        n.ORIGIN: origin,
        n.SHORTFALL: None,
        n.MODEL_VERSION: "7",
        n.MODEL_CHECKSUM: "weights",
        n.INDEX_CHECKSUM: "index",
    }


def clean() -> Lists:
    lists = [
        a_list("ann", ["a", "b", "c"]),
        a_list("bob", ["d", "b", "a"]),
        a_list("cas", ["c", "e", "a"]),
        a_list("eve", ["a", "b", "d"], origin="fallback"),
        a_list("fay", ["a", "b", "d"], origin="fallback"),
    ]
    return {row[n.USER_ID]: row for row in lists}


class Night:
    """What stands beside the staged lists, and the numbers found about them."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._schema = spark_schema(STAGED).fieldNames()
        self.users = self._frame([(user,) for user in ("ann", "bob", "cas", "eve", "fay")], f"{n.USER_ID} string")
        made_by = f"{n.USER_ID} string, {n.MODEL_VERSION} string, {n.MODEL_CHECKSUM} string"
        self.interests = self._frame([(user, "7", "weights") for user in ("ann", "bob", "cas")], made_by)
        self.recalls = self.sample([1.0, 0.8], "index")
        self.catalogue = self._frame([(item,) for item in "abcdef"], f"{n.ITEM_ID} string")

    def _frame(self, rows: list[tuple[Any, ...]], schema: str) -> DataFrame:
        return self._spark.createDataFrame(rows, schema).coalesce(1).persist()

    def sample(self, recalls: list[float], index: str) -> DataFrame:
        rows = [(f"user {number}", recall, index) for number, recall in enumerate(recalls)]
        return self._frame(rows, f"{n.USER_ID} string, {n.RECALL} double, {n.INDEX_CHECKSUM} string")

    def measured(self, lists: Lists, recalls: DataFrame | None = None) -> dict[str, float]:
        kinds = {field.name: field for field in spark_schema(STAGED).fields}
        rows = list(lists.values())
        names = list(rows[0])
        schema = ", ".join(f"`{name}` {kinds[name].dataType.simpleString()}" for name in names)
        staged = self._frame([tuple(row[name] for name in names) for row in rows], schema)
        try:
            return measure(staged, self.users, self.interests, self.catalogue, recalls or self.recalls, WANTED)
        finally:
            staged.unpersist()


@pytest.fixture(scope="module")
def night(spark: SparkSession) -> Night:
    return Night(spark)


def failed(found: dict[str, float], users_before: int | None = 5, section: GatesSection = SECTION) -> list[str]:
    return [gate.name for gate in judge(found, section, users_before) if not gate.passed]


def test_a_clean_night_is_counted_and_passes_every_gate(night: Night) -> None:
    found = night.measured(clean())
    counted = {"lists": 5, "fallback_users": 2, "items": 6, "shown_items": 5, "versions": 1}
    assert {name: found[name] for name in counted} == counted
    assert failed(found) == []
    require(judge(found, SECTION, 5))


def test_recall_is_the_mean_of_the_sample_and_a_low_one_fails(night: Night) -> None:
    assert night.measured(clean())["recall"] == pytest.approx(0.9)
    assert failed(night.measured(clean(), night.sample([1.0, 0.7], "index"))) == ["recall"]


def test_lists_that_nobody_measured_fail(night: Night) -> None:
    """No user in the sample, or a sample that another index was measured on."""
    for recalls in (night.sample([], "index"), night.sample([1.0], "yesterday's")):
        found = night.measured(clean(), recalls)
        assert found["recall"] == 0
        assert failed(found) == ["recall"]


def test_where_everybody_gets_the_popular_list_there_is_no_recall_to_measure(night: Night) -> None:
    lists = {user: row | {n.ORIGIN: "fallback"} for user, row in clean().items()}
    assert night.measured(lists, night.sample([], "index"))["recall"] == 1


def short_list(lists: Lists) -> None:
    for name in (n.ITEM_IDS, n.SCORES, n.INTEREST_OF_ORIGIN):
        lists["bob"][name] = lists["bob"][name][:2]


def missing_score(lists: Lists) -> None:
    lists["bob"][n.SCORES] = [0.9, 0.5]


def missing_interest(lists: Lists) -> None:
    lists["bob"][n.INTEREST_OF_ORIGIN] = [0, 1]


def long_list(lists: Lists) -> None:
    lists["bob"] |= {
        n.ITEM_IDS: ["d", "b", "a", "c"],
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
        row |= {
            n.ITEM_IDS: ["a", "b"],
            n.SCORES: [0.9, 0.5],
            n.INTEREST_OF_ORIGIN: [0, 0],
            n.SHORTFALL: "catalogue exhausted",
        }


def much_fallback(lists: Lists) -> None:
    lists["gus"] = lists["eve"] | {n.USER_ID: "gus"}
    lists["hal"] = lists["eve"] | {n.USER_ID: "hal"}


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
        (poor_coverage, ["coverage"]),
        (much_fallback, ["strange_users", "fallback_share"]),
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
        require(judge(found, SECTION, 5))


def test_a_list_that_says_why_it_is_short_is_no_fault(night: Night) -> None:
    lists = clean()
    short_list(lists)
    lists["bob"][n.SHORTFALL] = "catalogue exhausted"
    assert failed(night.measured(lists)) == []


NUMBERS = {
    **dict.fromkeys(
        (
            *("missing_users", "strange_users", "dropped_histories", "short_lists", "unequal_lengths"),
            *("repeated_items", "broken_scores", "unordered_scores", "unknown_items", "foreign_versions"),
        ),
        0.0,
    ),
    "versions": 1.0,
    "lists": 10.0,
    "shown_items": 5.0,
    "items": 10.0,
    "fallback_users": 5.0,
    "recall": 0.89,
}


def test_a_number_on_its_limit_passes_and_one_beyond_it_fails() -> None:
    assert failed(NUMBERS, users_before=12) == []
    assert failed(NUMBERS, users_before=13) == ["lists_over_last_night"]
    assert failed(NUMBERS | {"shown_items": 4.0}, 12) == ["coverage"]
    assert failed(NUMBERS | {"fallback_users": 6.0}, 12) == ["fallback_share"]
    assert failed(NUMBERS | {"versions": 0.0}, 12) == ["versions"]
    assert failed(NUMBERS, 12, SECTION.model_copy(update={"minimum_users": 11})) == ["lists"]


def test_a_first_night_is_not_compared_with_the_night_before() -> None:
    assert "lists_over_last_night" not in [gate.name for gate in judge(NUMBERS, SECTION, None)]
    assert failed(NUMBERS, None) == []


def test_an_empty_night_is_judged_not_divided_by() -> None:
    nothing = NUMBERS | {"lists": 0.0, "items": 0.0, "shown_items": 0.0, "fallback_users": 0.0, "versions": 0.0}
    assert failed(nothing, None) == ["versions", "lists", "coverage"]


def test_every_failed_gate_is_told_with_its_number_and_rule() -> None:
    gates = judge(NUMBERS | {"missing_users": 3.0, "fallback_users": 6.0}, SECTION, None)
    with pytest.raises(GateFailed) as told:
        require(gates)
    message = str(told.value)
    assert "missing_users is 3, must be 0" in message
    assert "fallback_share is 0.6, must be at most 0.5" in message
    assert f"2 of {len(gates)} gates failed" in message
    assert "Nothing was published" in message
