"""Item-CF against loops that follow its definition, in Spark and in numpy."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from mind.baselines.item_cf import item_neighbours
from mind.baselines.neighbour_scorer import Neighbours, NeighbourScorer
from mind.evaluation import evaluate

Behaviour = tuple[str, int, int]
COLUMNS = "user_id string, item_index int, event_time int"


def slow_neighbours(rows: list[Behaviour], neighbours: int, damping: float, most_recent: int) -> list[tuple]:
    """(item, neighbour, similarity, rank), sorted, by the definition."""
    baskets = []
    for user in sorted({user for user, _, _ in rows}):
        last = {}
        for who, item, time in rows:
            if who == user:
                last[item] = max(time, last.get(item, time))
        baskets.append(sorted(last, key=lambda item: (last[item], item))[-most_recent:])
    users = {item: sum(item in basket for basket in baskets) for basket in baskets for item in basket}
    found: dict[int, list] = {item: [] for item in users}
    for one, other in combinations(sorted(users), 2):
        both = sum(one in basket and other in basket for basket in baskets)
        if both:
            similarity = both / (math.sqrt(users[one] * users[other]) + damping)
            found[one].append((-similarity, other))
            found[other].append((-similarity, one))
    return [
        (item, other, -negative, place + 1)
        for item, held in sorted(found.items())
        for place, (negative, other) in enumerate(sorted(held)[:neighbours])
    ]


def fast_neighbours(spark: SparkSession, rows: list[Behaviour], *settings: float) -> list[tuple]:
    neighbours, damping, most_recent = settings
    frame = spark.createDataFrame(rows, COLUMNS)
    found = item_neighbours(frame, neighbours=int(neighbours), damping=damping, most_recent=int(most_recent))
    assert found.columns == ["item_index", "neighbour_index", "similarity", "rank"]
    return sorted((tuple(row) for row in found.collect()), key=lambda row: (row[0], row[3]))


def random_rows(seed: int) -> list[Behaviour]:
    """Users of very different activity, items of very different popularity, ties of time, repeats."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(int(random.integers(1, 9))):
        count = int(random.integers(1, 30))
        items = 2 + random.integers(0, 12, count) * random.integers(0, 2, count)
        rows += [
            (f"u{user}", int(item), int(time)) for item, time in zip(items, random.integers(0, 6, count), strict=True)
        ]
    return rows


def test_by_hand(spark: SparkSession) -> None:
    """Item 2 has four users, 3 two, 4 one, 5 one alone; u's second 2 and its order change nothing."""
    rows = [("u", 3, 5), ("u", 2, 1), ("u", 2, 9), ("v", 2, 0), ("v", 3, 0), ("v", 4, 0), ("w", 2, 1), ("x", 2, 0)]
    rows.append(("y", 5, 0))
    assert fast_neighbours(spark, rows, 9, 0, 9) == [
        (2, 3, 2 / math.sqrt(8), 1),
        (2, 4, 1 / 2, 2),
        (3, 2, 2 / math.sqrt(8), 1),
        (3, 4, 1 / math.sqrt(2), 2),
        (4, 3, 1 / math.sqrt(2), 1),
        (4, 2, 1 / 2, 2),
    ]


@pytest.mark.parametrize("setting", [(3, 0.0, 500), (50, 2.5, 4), (1, 0.5, 2)])
def test_equal_to_the_slow_reference(spark: SparkSession, setting: tuple[int, float, int]) -> None:
    """Many random logs in one frame: the users and items of a log share nothing with those of another."""
    logs = [random_rows(seed) for seed in range(25)]
    rows = [(f"{seed} {user}", item + 100 * seed, time) for seed, log in enumerate(logs) for user, item, time in log]
    assert len({row[0] for row in rows}) > 60
    assert fast_neighbours(spark, rows, *setting) == slow_neighbours(rows, *setting)


def test_partitions_and_order_change_no_bit(spark: SparkSession) -> None:
    rows = random_rows(3) + [("v" + user, item, time) for user, item, time in random_rows(4)]
    one = item_neighbours(spark.createDataFrame(rows, COLUMNS).coalesce(1), most_recent=5)
    other = item_neighbours(spark.createDataFrame(rows[::-1], COLUMNS).repartition(7), most_recent=5)
    assert sorted(one.collect()) == sorted(other.collect())


def test_a_user_of_a_hundred_thousand_behaviours_costs_no_more_than_its_last_items(spark: SparkSession) -> None:
    """All pairs would be five thousand million; the last three items make three."""
    robot = spark.range(100_000).selectExpr("'robot' user_id", "cast(id + 2 as int) item_index", "id event_time")
    found = item_neighbours(robot, most_recent=3).collect()
    assert {(row[0], row[1]) for row in found} == {
        (one, other) for one in range(99_999, 100_002) for other in range(99_999, 100_002) if one != other
    }


@pytest.mark.parametrize("wrong", [{"neighbours": 0}, {"most_recent": 1}, {"damping": -0.1}])
def test_settings_that_mean_nothing_are_refused(spark: SparkSession, wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least 1, 2 and 0"):
        item_neighbours(spark.createDataFrame([], COLUMNS), **wrong)


HELD = Neighbours.from_columns([3, 2, 2, 4], [2, 3, 4, 2], [0.5, 0.5, 0.25, 0.25], 4)


def test_scores_by_hand() -> None:
    """Positions 0 to 3 are the items 2 to 5; 99 is not in the catalogue but makes 3 older; 0 is padding."""
    history = np.array([[2, 3, 0], [3, 99, 2], [2, 2, 2], [5, 0, 0], [0, 0, 0]])
    scores = NeighbourScorer(HELD, 0.5).scores({"history": history})
    assert scores.tolist() == [
        [0.5, 0.5 * 0.5, 0.5 * 0.25, 0],
        [0.25 * 0.5, 0.5, 0.25, 0],
        [0, 1.75 * 0.5, 1.75 * 0.25, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 1))
def test_scores_equal_a_loop_and_no_row_depends_on_another(seed: int, decay: float) -> None:
    random = np.random.default_rng(seed)
    size, length = 8, 5
    pairs = [(i, j) for i in range(2, size + 2) for j in range(2, size + 2) if i != j and random.random() < 0.4]
    similarity = random.random(len(pairs))
    history = random.integers(0, size + 4, (6, length))
    for row, filled in enumerate(random.integers(0, length + 1, 6)):
        history[row, filled:] = 0
        history[row, :filled] += history[row, :filled] == 0
    order = random.permutation(len(pairs))
    columns = np.array(pairs, dtype=np.int64).reshape(-1, 2)[order].T
    scorer = NeighbourScorer(Neighbours.from_columns(*columns, similarity[order], size), decay)
    found = scorer.scores({"history": history})
    expected = np.zeros((6, size))
    for row in range(6):
        items = [item for item in history[row].tolist() if item]
        for age, item in enumerate(reversed(items)):
            for (one, other), value in zip(pairs, similarity, strict=True):
                expected[row, other - 2] += decay**age * value * (one == item)
    assert np.allclose(found, expected, rtol=1e-12, atol=0)
    alone = [scorer.scores({"history": history[row : row + 1]})[0] for row in range(6)]
    assert np.array_equal(found, np.stack(alone))


def test_it_recommends_inside_a_users_own_world(spark: SparkSession) -> None:
    """Two halves of a shop that no user crosses: the held-out item of every user comes before the other half."""
    random = np.random.default_rng(5)
    rows, histories, targets = [], [], []
    for user in range(60):
        items = 2 + 10 * (user % 2) + random.permutation(10)[:6]
        rows += [(f"u{user}", int(item), place) for place, item in enumerate(items[:-1])]
        histories.append(items[:-1])
        targets.append(items[-1] - 2)
    table = item_neighbours(spark.createDataFrame(rows, COLUMNS)).toArrow()
    columns = [table[name].to_numpy() for name in ("item_index", "neighbour_index", "similarity")]
    batch = {"history": np.array(histories), "target_position": np.array(targets)}
    ranks = evaluate(NeighbourScorer(Neighbours.from_columns(*columns, 20)), [batch], catalogue_size=20)
    assert ranks.max() <= 10


def test_foreign_indexes_and_decays_are_refused() -> None:
    for items, others in (([1], [3]), ([2], [6])):
        with pytest.raises(ValueError, match="must lie in 2 to 5"):
            Neighbours.from_columns(items, others, [1.0], 4)
    for decay in (0, 1.1):
        with pytest.raises(ValueError, match="recency_decay"):
            NeighbourScorer(HELD, decay)
