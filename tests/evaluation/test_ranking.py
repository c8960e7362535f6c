import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mind.evaluation import NO_ITEM, target_ranks, top_lists

SCORES = [
    [0.1, 0.9, 0.5, 0.5],
    [0.5, 0.5, 0.5, 0.9],
    [1.0, 1.0, 1.0, 1.0],
]


def test_ranks_by_hand() -> None:
    assert target_ranks(np.array(SCORES), [1, 2, 0]).tolist() == [1, 4, 1]
    assert target_ranks(np.array(SCORES), [3, 3, 3]).tolist() == [3, 1, 4]


def test_ties_follow_the_order_given() -> None:
    reverse = [3, 2, 1, 0]
    assert target_ranks(np.array(SCORES), [2, 0, 0], reverse).tolist() == [3, 4, 4]
    assert target_ranks(np.array(SCORES), [3, 2, 3], reverse).tolist() == [2, 2, 1]


def test_excluded_items_do_not_compete() -> None:
    excluded = [[1, 1], [0, NO_ITEM], [NO_ITEM, NO_ITEM]]
    assert target_ranks(np.array(SCORES), [3, 2, 3], None, excluded).tolist() == [2, 3, 4]
    assert target_ranks(np.array(SCORES), [3, 2, 3], None, np.empty((3, 0))).tolist() == [3, 4, 4]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 9))
def test_equal_to_sorting_one_row_at_a_time(seed: int, rows: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    scores, order = rng.integers(-1, 2, (rows, size)).astype(np.float32), rng.permutation(size)
    targets = rng.integers(0, size, rows)
    excluded = rng.integers(-1, size, (rows, 3))
    excluded[excluded == targets[:, None]] = NO_ITEM
    expected = []
    for row in range(rows):
        left = [place for place in range(size) if place not in excluded[row]]
        left.sort(key=lambda place: (-scores[row, place], order[place]))
        expected.append(1 + left.index(targets[row]))
    assert target_ranks(scores, targets, order, excluded).tolist() == expected


@pytest.mark.parametrize(
    ("scores", "targets", "order", "excluded", "message"),
    [
        ([[1.0, 2], [np.nan, 1]], [0, 1], None, None, r"row 1 \(target 1\) has NaN"),
        ([[1.0, 2], [2, 1]], [0, 2], None, None, r"row 1 \(target 2\) has a target outside"),
        ([[1.0, 2], [2, 1]], [0, -1], None, None, r"row 1 \(target -1\) has a target outside"),
        ([[1.0, 2], [2, 1]], [0], None, None, "target positions: shape"),
        ([[1.0, 2], [2, 1]], [0, 0.5], None, None, "float64"),
        ([1.0, 2], [0, 1], None, None, "scores have shape"),
        ([["a"]], [0], None, None, "scores have shape"),
        ([[1.0, 2]], [0], [0, 0], None, "no permutation"),
        ([[1.0, 2]], [0], [0], None, "the tie order: shape"),
        ([[1.0, 2], [2, 1]], [0, 1], None, [[1], [1]], r"row 1 \(target 1\) excludes its own target"),
        ([[1.0, 2]], [0], None, [[2]], "exclusion outside"),
        ([[1.0, 2]], [0], None, [[-2]], "exclusion outside"),
        ([[1.0, 2]], [0], None, [1], r"must be \[1, X\]"),
        ([[1.0, 2]], [0], None, [[1], [1]], "exclusions: shape"),
    ],
)
def test_wrong_input_is_refused(scores: list, targets: list, order: object, excluded: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        target_ranks(np.array(scores), targets, order, excluded)


def test_minus_infinity_is_the_last_place() -> None:
    assert target_ranks(np.array([[-np.inf, 1, -np.inf]]), [2]).tolist() == [3]


def test_lists_by_hand() -> None:
    scores = np.array(SCORES)
    assert top_lists(scores, 3).tolist() == [[1, 2, 3], [3, 0, 1], [0, 1, 2]]
    assert top_lists(scores, 2, [3, 2, 1, 0]).tolist() == [[1, 3], [3, 2], [3, 2]]
    excluded = [[1, 1, 0], [0, NO_ITEM, 3], [0, 1, 2]]
    assert top_lists(scores, 3, None, excluded).tolist() == [[2, 3, -1], [1, 2, -1], [3, -1, -1]]
    assert top_lists(np.array([[1, 3, 2]]), 5).tolist() == [[1, 2, 0, -1, -1]]
    assert top_lists(np.array([[-np.inf, 3, 2]]), 3).tolist() == [[1, 2, -1]]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 9), st.integers(1, 11), st.booleans())
def test_a_list_holds_what_ranks_first(seed: int, rows: int, size: int, n: int, narrow: bool) -> None:
    """Each item that competes stands at the place that its own rank says, and no other item is there."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(-2, 2, (rows, size)).astype(np.float32 if narrow else np.int64)
    order, excluded = rng.permutation(size), rng.integers(-1, size, (rows, 3))
    expected = np.full((rows, n), NO_ITEM)
    for row in range(rows):
        for item in set(range(size)) - set(excluded[row].tolist()):
            rank = target_ranks(scores[row : row + 1], [item], order, excluded[row : row + 1])[0]
            if rank <= n:
                expected[row, rank - 1] = item
    assert top_lists(scores, n, order, excluded).tolist() == expected.tolist()


def test_wrong_lists_are_refused() -> None:
    for n, order, excluded, message in (
        (0, None, None, "n is 0"),
        (1, [0, 0], None, "no permutation"),
        (1, None, [[2]], "row 0 has an exclusion outside the catalogue of 2 items"),
    ):
        with pytest.raises(ValueError, match=message):
            top_lists(np.array([[1.0, 2]]), n, order, excluded)
