import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mind.evaluation import (
    catalogue_coverage,
    exposures,
    gini,
    list_diversity,
    list_hit,
    list_mrr,
    list_ndcg,
    list_recall,
    recommended_lists,
    top_share,
)

LIST = ["x", "a", "y", "b"]
RELEVANT = ("b", "a", "c")


def test_by_hand() -> None:
    assert (list_hit(LIST, RELEVANT, 1), list_hit(LIST, RELEVANT, 2)) == (0, 1)
    assert list_recall(LIST, RELEVANT, 2) == 1 / 3
    assert list_recall(LIST, RELEVANT, 4) == list_recall(LIST, RELEVANT, 100) == 2 / 3
    assert list_recall(["a"], RELEVANT, 1) == 1 / 3
    assert (list_mrr(LIST, RELEVANT, 4), list_mrr(LIST, RELEVANT, 1)) == (1 / 2, 0)
    assert list_mrr([], RELEVANT, 1) == list_hit([], RELEVANT, 1) == list_ndcg([], RELEVANT, 5) == 0


def test_the_ideal_of_ndcg_has_all_relevant_items_not_the_hits_only() -> None:
    ideal_of_3 = 1 + 1 / math.log2(3) + 1 / 2
    assert list_ndcg(LIST, RELEVANT, 4) == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / ideal_of_3)
    assert list_ndcg(["a"], RELEVANT, 4) == pytest.approx(1 / ideal_of_3)
    assert list_ndcg(["a", "x"], RELEVANT, 2) == pytest.approx(1 / (1 + 1 / math.log2(3)))
    assert list_ndcg(["c", "b", "a"], RELEVANT, 3) == 1
    assert list_ndcg(["x", "x2", "a"], ["a"], 3) == 1 / 2


def test_arrays_are_lists_too() -> None:
    assert list_recall(np.array([5, 7]), np.array([7, 9]), 2) == 1 / 2


@pytest.mark.parametrize("unordered", [{"a", "b"}, {"a": 1}, frozenset("a"), iter("a"), "ab", np.ones((1, 1)), None])
def test_what_has_no_order_is_refused(unordered: object) -> None:
    for metric in (list_hit, list_recall, list_mrr, list_ndcg):
        with pytest.raises(TypeError, match="recommended"):
            metric(unordered, ["a"], 1)
        with pytest.raises(TypeError, match="relevant"):
            metric(["a"], unordered, 1)


def test_repeats_and_empty_truth_are_refused() -> None:
    with pytest.raises(ValueError, match="recommended items name 'a' twice"):
        list_recall(["b", "a", "a"], ["a"], 1)
    with pytest.raises(ValueError, match="relevant items name 'a' twice"):
        list_recall(["a"], ["a", "a"], 1)
    with pytest.raises(ValueError, match="no relevant items"):
        list_recall(["a"], [], 1)
    with pytest.raises(ValueError, match="cutoff is 0"):
        list_recall(["a"], ["a"], 0)


def test_exposure_coverage_and_share_of_the_top() -> None:
    counts = exposures([[0, 3], np.array([3, 1]), [], [3]], 10)
    assert counts.tolist() == [1, 1, 0, 3, 0, 0, 0, 0, 0, 0]
    assert catalogue_coverage(counts) == 3 / 10
    assert top_share(counts) == top_share(counts, 10) == 3 / 5
    assert top_share(counts, 10.1) == top_share(counts, 20) == 4 / 5
    assert top_share(counts, 100) == 1
    assert top_share([1] * 1000, 0.7) == 7 / 1000


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ([[0], [1, 1]], "list 1 names 1 items again"),
        ([[10]], "list 0"),
        ([[0], [-1]], "list 1"),
        ([[0.5]], "float64"),
    ],
)
def test_wrong_lists_are_refused(lists: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        exposures(lists, 10)


def test_undefined_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="all empty"):
        top_share([0, 0])
    with pytest.raises(ValueError, match="per_cent is 0"):
        top_share([1], 0)
    with pytest.raises(ValueError, match="give V counts"):
        catalogue_coverage([])


def test_gini_by_hand() -> None:
    assert gini([3, 3, 3]) == 0
    assert gini([0, 0, 0, 7]) == 1 - 1 / 4
    # Half the mean absolute difference over the mean: (6 pairs: 1 + 2 + 5 + 1 + 4 + 3) / 16 / 3.
    assert gini([5, 0, 2, 1]) == pytest.approx((16 / 16) / 2)
    assert gini([1, 5, 0, 2]) == gini([5, 0, 2, 1])
    with pytest.raises(ValueError, match="all empty"):
        gini([0, 0])


def test_diversity_by_hand() -> None:
    """Cosines of items 0, 1, 2: 0 and 1 agree, both are at 60 degrees to 2, and 3 is opposite to 0."""
    vectors = np.array([[1, 0], [5, 0], [0.5, 0.75**0.5], [-2, 0], [0, 0]])
    lists = np.array([[0, 1, -1], [0, 2, -1], [2, 0, 1], [0, 3, -1], [3, -1, -1], [-1, -1, -1]])
    found = list_diversity(lists, vectors)
    assert found[:4] == pytest.approx([0, 1 / 2, (1 / 2 + 1 / 2 + 0) / 3, 2], abs=1e-12)
    assert np.isnan(found[4:]).all()
    with pytest.raises(ValueError, match="item 4 has a zero vector"):
        list_diversity(np.array([[0, 4]]), vectors)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_diversity_is_the_mean_over_pairs_whatever_the_blocks(seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(9, 4)) * random.uniform(0.01, 100, (9, 1))
    lists = np.array([random.permutation(9)[:6] for _ in range(5)])
    filled = random.integers(2, 7, 5)
    lists[np.arange(6) >= filled[:, None]] = -1
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = []
    for row, count in zip(lists, filled, strict=True):
        pairs = [(one, other) for place, one in enumerate(row[:count]) for other in row[:place]]
        expected.append(np.mean([1 - unit[one] @ unit[other] for one, other in pairs]))
    assert list_diversity(lists, vectors) == pytest.approx(expected, abs=1e-9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recommended_lists, "_NUMBERS_AT_ONCE", 50)
        assert list_diversity(lists, vectors) == pytest.approx(expected, abs=1e-9)
