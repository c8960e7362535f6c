"""What is counted on a staged night, against numbers counted by hand."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from mind.publishing.gates import judge, require
from mind.tables import BY_NEIGHBOURS, BY_POPULARITY, ITEM_CF
from mind.tables import names as n
from tests.publishing.staged_night import SECTION, Lists, Night, clean, failed


@pytest.fixture(scope="module")
def night(spark: SparkSession) -> Night:
    return Night(spark)


def test_a_clean_night_is_counted_and_passes_every_gate(night: Night) -> None:
    found = night.measured(clean())
    by_hand = {
        "lists": 5,
        "full_lists": 5,
        "fallback_users": 2,
        "items": 6,
        "shown_items": 5,
        "versions": 1,
        # a is shown five times; one per cent of six items is one item.
        "places": 15,
        "most_shown_places": 5,
        "lists_before": 5,
        "places_before": 15,
        "overlap": (3 * (2 / 3) + 2) / 5,
    }
    assert {name: found[name] for name in by_hand} == pytest.approx(by_hand)
    assert failed(found) == []
    require(judge(found, SECTION))


def test_a_first_night_is_not_compared_and_one_where_people_buy_again_has_nothing_touched(night: Night) -> None:
    found = night.measured(clean(), before=None, touched=None)
    assert not {"lists_before", "places_before", "overlap", "touched_items"} & set(found)
    assert failed(found) == []
    names = {gate.name for gate in judge(found, SECTION)}
    assert not {"lists_over_last_night", "overlap_with_last_night", "touched_items"} & names


def test_recall_is_the_mean_of_the_sample_and_a_low_one_fails(night: Night) -> None:
    assert night.measured(clean())["recall"] == pytest.approx(0.9)
    assert failed(night.measured(clean(), recalls=night.sample([1.0, 0.7], "index"))) == ["recall"]


def test_lists_that_nobody_measured_fail(night: Night) -> None:
    """No user in the sample, or a sample that another index was measured on."""
    for recalls in (night.sample([], "index"), night.sample([1.0], "yesterday's")):
        found = night.measured(clean(), recalls=recalls)
        assert found["recall"] == 0
        assert failed(found) == ["recall"]


def test_where_everybody_gets_the_popular_list_there_is_no_recall_to_measure(night: Night) -> None:
    lists = {user: row | {n.ORIGIN: "fallback"} for user, row in clean().items()}
    assert night.measured(lists, recalls=night.sample([], "index"))["recall"] == 1


def without_a_model() -> Lists:
    """The clean night as item neighbours would have made it; bob's list is filled up, eve and fay have no history."""
    lists = clean()
    for user in ("ann", "bob", "cas"):
        lists[user] |= {n.ORIGIN: ITEM_CF, n.INTEREST_OF_ORIGIN: [BY_NEIGHBOURS] * 3}
    lists["bob"] |= {n.INTEREST_OF_ORIGIN: [BY_NEIGHBOURS, BY_POPULARITY, BY_POPULARITY], n.SCORES: [0.5, 0.0, 0.0]}
    return {user: row | {n.MODEL_VERSION: ITEM_CF, n.MODEL_CHECKSUM: "settings"} for user, row in lists.items()}


def test_a_night_without_a_model_passes_and_has_no_recall_to_measure(night: Night) -> None:
    beside = night.without_a_model()
    found = night.measured(without_a_model(), **beside)
    assert failed(found) == []
    assert (found["recall"], found["fallback_users"], found["foreign_versions"]) == (1, 2, 0)
    # A list that popularity alone filled is one of the popular list, whatever it calls itself.
    lists = without_a_model()
    lists["bob"][n.INTEREST_OF_ORIGIN] = [BY_POPULARITY] * 3
    found = night.measured(lists, **beside)
    assert (found["fallback_users"], failed(found)) == (3, ["fallback_share"])


def test_a_night_without_a_model_that_forgot_a_history_or_was_made_by_a_model_fails(night: Night) -> None:
    beside, lists = night.without_a_model(), without_a_model()
    lists["bob"][n.ORIGIN] = "fallback"
    assert failed(night.measured(lists, **beside)) == ["dropped_histories", "fallback_share"]
    assert failed(night.measured(clean(), **beside)) == ["foreign_versions", "recall"]


def test_a_list_that_says_why_it_is_short_is_no_fault(night: Night) -> None:
    lists = clean()
    for name in (n.ITEM_IDS, n.SCORES, n.INTEREST_OF_ORIGIN):
        lists["bob"][name] = lists["bob"][name][:2]
    lists["bob"][n.SHORTFALL] = "catalogue exhausted"
    found = night.measured(lists)
    assert found["full_lists"] == 4
    assert failed(found) == []
