import numpy as np
import pytest

from mind.retrieval import Popularity, popular_candidates

IDS = ["d", "b", "a", "c"]
COUNTS = [3, 5, 3, 0]


def test_by_count_then_by_item_id_with_shares() -> None:
    top = popular_candidates(IDS, COUNTS, [], 10)
    assert top.item_ids(IDS) == ["b", "a", "d", "c"]
    assert top.scores.tolist() == [np.float32(5 / 11), np.float32(3 / 11), np.float32(3 / 11), 0]
    assert top.scores.dtype == np.float32
    assert top.interest.tolist() == [-1] * 4
    assert top.interest.dtype == np.int32


def test_exclusions_leave_before_the_cut() -> None:
    popularity = Popularity.from_counts(IDS, COUNTS)
    assert popularity.candidates([1, 1], 2).item_ids(IDS) == ["a", "d"]
    assert popularity.candidates([3, 1, 2], 2).item_ids(IDS) == ["d"]
    assert popularity.candidates([0, 1, 2, 3], 2).item_ids(IDS) == []


def test_counts_that_differ_little_keep_their_order() -> None:
    big = 2**40
    top = popular_candidates(["a", "b", "c"], [big, big + 1, 1], [], 3)
    assert top.positions.tolist() == [1, 0, 2]
    assert top.scores[0] == top.scores[1]


def test_nothing_counted_still_gives_a_list() -> None:
    assert popular_candidates(["b", "a"], [0, 0], [], 1).item_ids(["b", "a"]) == ["a"]


@pytest.mark.parametrize(
    ("ids", "counts", "excluded", "n", "message"),
    [
        (IDS, [1, 2], [], 1, "shape"),
        (IDS, [1.0, 2, 3, 4], [], 1, "float64"),
        (IDS, [1, -2, 3, 4], [], 1, "'b' has count -2"),
        (["a", "b", "a"], [1, 2, 3], [], 1, "'a' is there twice"),
        (IDS, COUNTS, [4], 1, "0 to 3"),
        (IDS, COUNTS, [-1], 1, "0 to 3"),
        (IDS, COUNTS, ["a"], 1, "positions"),
        (IDS, COUNTS, [], 0, "n is 0"),
    ],
)
def test_wrong_input_is_refused(ids: list, counts: list, excluded: list, n: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        popular_candidates(ids, counts, excluded, n)
