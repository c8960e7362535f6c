"""WALS: what Spark's ALS solves, written down a second time, and fold-in that agrees with it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from mind.baselines.als import fit
from mind.baselines.factor_scorer import Factors, FactorScorer
from mind.evaluation import evaluate

SETTING = {"dimension": 4, "regularisation": 0.05, "confidence": 3.0, "iterations": 2, "seed": 11, "blocks": 2}
ITEMS = 14


def world() -> dict[str, list[int]]:
    """The items of each user, with repeats; even users choose in one half, odd users in the other."""
    random = np.random.default_rng(2)
    return {
        f"user {number:02}": (2 + 7 * (number % 2) + random.integers(0, 7, 3 + number % 5)).tolist()
        for number in range(30)
    }


@pytest.fixture(scope="module")
def behaviours(spark: SparkSession) -> DataFrame:
    rows = [(user, item, place) for user, items in world().items() for place, item in enumerate(items)]
    return spark.createDataFrame(rows, "user_id string, item_index int, event_time int")


@pytest.fixture(scope="module")
def factors(behaviours: DataFrame) -> Factors:
    return fit(behaviours, **SETTING)


def slow_user_factor(factors: Factors, items: list[int]) -> np.ndarray:
    """The normal equations of one user, written out over all items."""
    dimension = factors.item_factors_MD.shape[1]
    times = Counter(items)
    left, right = np.zeros((dimension, dimension)), np.zeros(dimension)
    for position, y in zip(factors.item_positions_M.tolist(), factors.item_factors_MD.astype(float), strict=True):
        r = times[position + 2]
        left += (1 + factors.confidence * r) * np.outer(y, y)
        right += (1 + factors.confidence * r) * (r > 0) * y
    left += factors.regularisation * len(times) * np.eye(dimension)
    return np.linalg.solve(left, right)


def history_of(lists: list[list[int]]) -> np.ndarray:
    return np.array([[*items, *[0] * (10 - len(items))] for items in lists])


def test_a_trained_users_factor_solves_the_normal_equations_and_fold_in_finds_it_again(factors: Factors) -> None:
    held = world()
    folded = FactorScorer(factors, ITEMS).folded(history_of([held[user] for user in factors.user_ids]))
    slow = np.stack([slow_user_factor(factors, held[user]) for user in factors.user_ids])
    assert factors.user_ids == sorted(held)
    assert np.allclose(folded, slow, rtol=1e-9, atol=1e-12)
    assert np.abs(factors.user_factors_UD).max() > 0.1
    assert np.abs(folded - factors.user_factors_UD).max() < 1e-4


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(behaviours: DataFrame, factors: Factors) -> None:
    again = fit(behaviours.repartition(5, "item_index"), **SETTING)
    assert np.array_equal(again.item_factors_MD, factors.item_factors_MD)
    assert np.array_equal(again.user_factors_UD, factors.user_factors_UD)
    other = fit(behaviours, **(SETTING | {"seed": 12}))
    assert not np.array_equal(other.item_factors_MD, factors.item_factors_MD)


def test_the_batch_says_whose_trained_factor_is_used(factors: Factors) -> None:
    scorer = FactorScorer(factors, ITEMS + 2)
    history = history_of([[2, 3], [9]])
    folded = scorer.scores({"history": history})
    mixed = scorer.scores({"history": history, "user_position": np.array([5, -1])})
    trained = factors.user_factors_UD[5].astype(float) @ factors.item_factors_MD.astype(float).T
    assert np.allclose(mixed[0, factors.item_positions_M], trained)
    assert np.allclose(mixed[1], folded[1])
    assert not np.allclose(mixed[0], folded[0])
    assert (folded[:, ITEMS:] == 0).all()


def test_nothing_is_known_of_a_user_without_a_known_item(factors: Factors) -> None:
    assert (FactorScorer(factors, ITEMS).scores({"history": np.array([[0, 0], [1, 99]])}) == 0).all()


def test_users_stay_in_their_half(factors: Factors) -> None:
    histories = [items[:-1] for items in world().values()]
    targets = np.array([items[-1] - 2 for items in world().values()])
    batch = {"history": history_of(histories), "target_position": targets}
    ranks = evaluate(FactorScorer(factors, ITEMS), [batch], catalogue_size=ITEMS)
    assert (ranks <= 7).mean() > 0.9, "by chance it would be half of them"


def test_wrong_input_is_refused(spark: SparkSession, factors: Factors) -> None:
    with pytest.raises(ValueError, match="no behaviours to factorise"):
        fit(spark.createDataFrame([], "user_id string, item_index int"), **SETTING)
    with pytest.raises(ValueError, match="the catalogue has 5 items"):
        FactorScorer(factors, 5)
