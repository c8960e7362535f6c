import numpy as np
import pytest

from mind.evaluation import bootstrap, paired_bootstrap


def test_a_constant_difference_has_no_width() -> None:
    b = np.arange(10) / 16
    assert paired_bootstrap(b + 0.25, b, seed=1) == (0.25, 0.25, 0.25)


def test_the_sign_is_a_minus_b() -> None:
    assert paired_bootstrap([0.0, 0], [1.0, 1], seed=1).difference == -1


def test_the_interval_is_that_of_the_normal_law() -> None:
    rng = np.random.default_rng(0)
    b = rng.normal(size=4000)
    a = b + rng.normal(0.1, 1, size=4000)
    difference, low, high = paired_bootstrap(a, b, seed=5, samples=2000)
    half = 1.96 * (a - b).std() / np.sqrt(4000)
    assert difference == pytest.approx((a - b).mean())
    assert (low, high) == (
        pytest.approx(difference - half, abs=0.1 * half),
        pytest.approx(difference + half, abs=0.1 * half),
    )


def test_users_are_drawn_not_rows() -> None:
    """100 users with 25 equal rows each are 100 observations, not 2,500: the interval is 5 times as wide."""
    of_user = np.random.default_rng(0).normal(size=100)
    a, users = np.repeat(of_user, 25), np.repeat([f"u{number}" for number in range(100)], 25)
    b = np.zeros(2500)
    wide, narrow = paired_bootstrap(a, b, users, seed=2), paired_bootstrap(a, b, seed=2)
    assert wide.difference == pytest.approx(narrow.difference)
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(5, rel=0.15)


def test_users_count_by_their_rows() -> None:
    """Two users: one with three rows of 1, one with one row of 0. A sample has mean 1, 3/4 or 0."""
    found = paired_bootstrap([1, 1, 0, 1], [0] * 4, ["p", "p", "q", "p"], seed=0, samples=200)
    assert found == (3 / 4, 0, 1)


def test_same_seed_same_numbers_whatever_the_order_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    a, b, users = rng.integers(0, 2, 300), rng.integers(0, 2, 300), rng.integers(0, 50, 300)
    once = paired_bootstrap(a, b, users, seed=9)
    order = rng.permutation(300)
    assert paired_bootstrap(a[order], b[order], users[order], seed=9) == once
    assert paired_bootstrap(a, b, users, seed=10) != once
    monkeypatch.setattr(bootstrap, "_DRAWS_AT_ONCE", 500)
    assert paired_bootstrap(a, b, users, seed=9) == once


@pytest.mark.parametrize(
    ("a", "b", "groups", "samples", "message"),
    [
        ([1, 2], [1], None, 10, "same rows"),
        ([1, np.nan], [1, 1], None, 10, "row 1"),
        ([1], [1], None, 10, "1 users"),
        ([1, 2], [1, 2], ["u", "u"], 10, "1 users"),
        ([], [], None, 10, "0 users"),
        ([1, 2], [1, 2], ["u"], 10, "groups have shape"),
        ([1, 2], [1, 2], None, 0, "samples is 0"),
    ],
)
def test_wrong_input_is_refused(a: list, b: list, groups: object, samples: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(a, b, groups, samples, seed=0)
