"""Every gate with its rule: what is on the limit passes, what is beyond it fails by name."""

from __future__ import annotations

import pytest

from mind.errors import GateFailed
from mind.publishing.gates import NONE_ALLOWED, judge, require
from tests.publishing.staged_night import SECTION, failed

NUMBERS = {
    **dict.fromkeys(
        NONE_ALLOWED,
        0.0,
    ),
    "versions": 1.0,
    "lists": 10.0,
    "shown_items": 5.0,
    "items": 10.0,
    "fallback_users": 5.0,
    "recall": 0.89,
    "full_lists": 7.5,
    "places": 28.0,
    "most_shown_places": 14.0,
    "lists_before": 12.0,
    "places_before": 40.0,
    "overlap": 0.6,
}


def test_a_number_on_its_limit_passes_and_one_beyond_it_fails() -> None:
    assert failed(NUMBERS) == []
    beyond = {
        "lists_before": (13.0, "lists_over_last_night"),
        "places_before": (41.0, "places_over_last_night"),
        "overlap": (0.59, "overlap_with_last_night"),
        "full_lists": (7.4, "full_share"),
        "most_shown_places": (14.1, "concentration"),
        "shown_items": (4.0, "coverage"),
        "fallback_users": (6.0, "fallback_share"),
        "versions": (0.0, "versions"),
        "recall": (0.88, "recall"),
    }
    beyond |= {name: (1.0, name) for name in NONE_ALLOWED}
    for name, (value, gate) in beyond.items():
        assert failed(NUMBERS | {name: value}) == [gate]
    assert failed(NUMBERS, SECTION.model_copy(update={"minimum_users": 11})) == ["lists"]


def test_a_first_night_is_not_compared_with_the_night_before() -> None:
    first = {name: value for name, value in NUMBERS.items() if name not in ("lists_before", "places_before", "overlap")}
    assert not [gate.name for gate in judge(first, SECTION) if gate.name.endswith("last_night")]
    assert failed(first) == []


def test_an_empty_night_is_judged_not_divided_by() -> None:
    nothing = dict.fromkeys(NUMBERS, 0.0) | {"recall": 1.0}
    assert failed(nothing) == ["versions", "lists", "full_share", "coverage", "overlap_with_last_night"]


def test_every_failed_gate_is_told_with_its_number_and_rule() -> None:
    gates = judge(NUMBERS | {"missing_users": 3.0, "fallback_users": 6.0}, SECTION)
    with pytest.raises(GateFailed) as told:
        require(gates)
    message = str(told.value)
    assert "missing_users is 3, must be 0" in message
    assert "fallback_share is 0.6, must be at most 0.5" in message
    assert f"2 of {len(gates)} gates failed" in message
    assert "Nothing was published" in message
