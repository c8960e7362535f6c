import math
import re

import numpy as np
import pytest

from mind.evaluation import hit_rate, hit_values, mrr, mrr_values, ndcg, ndcg_values, recall, summary

RANKS = [4, 1, 2, 11, 10]


def test_by_hand() -> None:
    assert hit_rate(RANKS, 1) == 1 / 5
    assert hit_rate(RANKS, 10) == 4 / 5
    assert recall(RANKS, 2) == hit_rate(RANKS, 2) == 2 / 5
    assert mrr(RANKS, 10) == pytest.approx((1 / 4 + 1 + 1 / 2 + 1 / 10) / 5)
    assert mrr(RANKS, 3) == pytest.approx((1 + 1 / 2) / 5)
    assert ndcg(RANKS, 3) == pytest.approx((1 + 1 / math.log2(3)) / 5)
    assert ndcg([3], 3) == 1 / 2
    assert ndcg([4], 3) == 0


def test_values_of_rows_keep_their_order() -> None:
    assert hit_values(RANKS, 2).tolist() == [0, 1, 1, 0, 0]
    assert mrr_values(RANKS, 2).tolist() == [0, 1, 1 / 2, 0, 0]
    assert ndcg_values([7, 1, 3], 7).tolist() == [1 / 3, 1, 1 / 2]


def test_summary_has_names_that_trackers_accept() -> None:
    result = summary(RANKS, [10, 1, 10])
    assert list(result) == [
        "rows",
        "hit_rate_at_1",
        "ndcg_at_1",
        "mrr_at_1",
        "hit_rate_at_10",
        "ndcg_at_10",
        "mrr_at_10",
    ]
    assert all(re.fullmatch(r"[A-Za-z0-9_\-./ ]+", name) and type(value) is float for name, value in result.items())
    assert (result["rows"], result["hit_rate_at_10"]) == (5.0, 4 / 5)


@pytest.mark.parametrize(
    ("ranks", "n", "message"),
    [
        ([1, 0], 1, "row 1 has rank 0"),
        ([], 1, "shape"),
        ([1.5], 1, "float64"),
        ([[1]], 1, "shape"),
        ([1], 0, "cutoff is 0"),
        ([1], 1.5, "cutoff is 1.5"),
        ([1], True, "cutoff is True"),
    ],
)
def test_wrong_input_is_refused(ranks: list, n: int, message: str) -> None:
    for metric in (hit_rate, ndcg, mrr, recall):
        with pytest.raises(ValueError, match=message):
            metric(np.array(ranks), n)


def test_summary_needs_a_cutoff() -> None:
    with pytest.raises(ValueError, match="no cutoff"):
        summary([1], [])
