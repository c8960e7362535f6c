import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mind.evaluation import (
    COLD,
    breakdown,
    excluded_positions,
    length_buckets,
    popularity_deciles,
    spread,
    spreads,
    target_ranks,
    target_seen,
)


def test_deciles_by_hand() -> None:
    """Twenty counted items make two a decile; the two without a count are cold wherever they stand."""
    counts = [0, *range(1, 21), 0]
    found = popularity_deciles(counts).tolist()
    assert found == [COLD, *(decile for decile in range(10, 0, -1) for _ in range(2)), COLD]


def test_equal_counts_are_divided_by_the_tie_order_and_few_items_leave_deciles_empty() -> None:
    assert popularity_deciles([5, 5, 0, 5]).tolist() == [1, 4, COLD, 7]
    assert popularity_deciles([5, 5, 0, 5], [3, 1, 0, 2]).tolist() == [7, 1, COLD, 4]
    assert popularity_deciles([0, 0]).tolist() == [COLD, COLD]


def test_lengths_fall_into_powers_of_two() -> None:
    assert length_buckets([1, 2, 3, 4, 7, 8, 50, 64]).tolist() == [1, 2, 2, 4, 4, 8, 32, 64]


@given(st.integers(1, 2**50))
def test_a_bucket_is_the_greatest_power_of_two_within(length: int) -> None:
    assert length_buckets([length]).tolist() == [2 ** (length.bit_length() - 1)]


def test_breakdown_by_hand() -> None:
    found = breakdown([1, 0, 1, 0, 1, 1], [4, 1, 4, 4, 0, 1])
    assert found == {0: (1, 1), 1: (1 / 2, 2), 4: (2 / 3, 3)}
    assert list(found) == [0, 1, 4]
    whole = sum(part.mean * part.rows for part in found.values()) / sum(part.rows for part in found.values())
    assert whole == pytest.approx(4 / 6)


def test_spread_by_hand() -> None:
    assert spread([0.25, 0.75, 0.5]) == (0.5, 0.25, 0.25, 0.75, 3)
    runs = [{"a": 1.0, "b": 2.0, "only here": 0.0}, {"b": 4.0, "a": 1.0}]
    assert spreads(runs) == {"a": (1, 0, 1, 1, 2), "b": (3, pytest.approx(2**0.5), 2, 4, 2)}
    assert spreads([]) == {}


def test_what_was_seen_does_not_compete_but_a_seen_target_does() -> None:
    """Indexes 2 to 5 are the positions 0 to 3; 1 is an unknown item, 0 padding."""
    history, targets = np.array([[2, 4, 0], [5, 1, 2], [3, 3, 0]]), np.array([1, 0, 1])
    assert excluded_positions(history, targets).tolist() == [[0, 2, -1], [3, -1, -1], [-1, -1, -1]]
    assert target_seen(history, targets).tolist() == [False, True, True]
    scores = np.array([[0.9, 0.1, 0.8, 0.5]] * 3)
    assert target_ranks(scores, targets, None, excluded_positions(history, targets)).tolist() == [2, 1, 4]
    shifted = excluded_positions(history - 2, targets, first_index=0)
    assert shifted.tolist() == excluded_positions(history, targets).tolist()


def test_wrong_input_is_refused() -> None:
    for make, message in (
        (lambda: popularity_deciles([1, -1]), "integers from 0"),
        (lambda: popularity_deciles([0.5]), "float64"),
        (lambda: length_buckets([3, 0]), "begin at 0"),
        (lambda: length_buckets([1.5]), "float64"),
        (lambda: breakdown([1], [1, 2]), "same rows"),
        (lambda: spread([1]), "at least two runs"),
        (lambda: spread([1, np.nan]), "finite"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
