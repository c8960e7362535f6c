import numpy as np
import pytest

from mind.evaluation import counted_bootstrap, paired_bootstrap, replay


def test_by_hand() -> None:
    """Ten users. Six chose one item: both lists had it for one, the second alone for two, none for three. Four chose
    four items: the first list had one, the second two of them."""
    found = replay(50, [1, 1, 1, 4], [1, 0, 0, 1], [1, 1, 0, 2], [1, 2, 3, 4], seed=0)
    assert (found.cutoff, found.users) == (50, 10)
    assert found.hit_rates == (5 / 10, 7 / 10)
    assert found.recalls == pytest.approx(((1 + 4 / 4) / 10, (1 + 2 + 4 * 2 / 4) / 10))
    assert found.hit_difference.difference == pytest.approx(2 / 10)
    assert found.recall_difference.difference == pytest.approx(3 / 10)
    assert found.hit_difference.low < 2 / 10 < found.hit_difference.high
    assert found.hits == (1 + 4, 1 + 2 + 8)


def test_lists_that_find_the_same_differ_by_nothing() -> None:
    found = replay(10, [1, 2], [0, 1], [0, 1], [3, 4], seed=0)
    assert found.hit_difference == found.recall_difference == (0, 0, 0)


def test_counts_give_the_interval_that_single_users_give() -> None:
    """3,000 users, 300 better, 150 worse: the two ways of drawing agree within the noise of 4,000 draws."""
    differences, users = np.array([1.0, 0.0, -1.0]), np.array([300, 2550, 150])
    counted = counted_bootstrap(differences, users, 4000, seed=1)
    single = paired_bootstrap(np.repeat(differences, users), np.zeros(3000), samples=4000, seed=2)
    assert counted.difference == single.difference == pytest.approx(150 / 3000)
    width = single.high - single.low
    assert (counted.low, counted.high) == pytest.approx((single.low, single.high), abs=0.05 * width)
    assert counted_bootstrap(differences, users, 4000, seed=1) == counted


def test_a_hundred_million_users_are_three_numbers() -> None:
    found = counted_bootstrap([1.0, 0.0, -1.0], [10_000_000, 80_000_000, 10_000_000], seed=1)
    assert found.difference == 0
    # The standard error is sqrt(0.2 / 10^8).
    assert (found.low, found.high) == pytest.approx((-1.96 * 0.2**0.5 / 1e4, 1.96 * 0.2**0.5 / 1e4), rel=0.1)


@pytest.mark.parametrize(
    ("chosen", "first", "second", "users", "message"),
    [
        ([1, 0], [0, 0], [0, 0], [5, 5], "group 1 chose 0 items"),
        ([1, 2], [0, 0], [0, 3], [5, 5], "hold 0 and 3"),
        ([1, 2], [0, -1], [0, 0], [5, 5], "hold -1 and 0"),
        ([1], [0], [1], [1], "there are 1 users"),
        ([1, 1], [0, 1], [1, 1], [5, -1], "counts from 0"),
        ([1, 1], [0, 1], [1, 1], [5, 0.5], "users whole"),
    ],
)
def test_wrong_input_is_refused(chosen: list, first: list, second: list, users: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replay(10, chosen, first, second, users, seed=0)
