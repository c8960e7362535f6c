"""Lists from item neighbours, for all users at once, against the scorer that evaluates one batch after the other."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.baselines.item_cf import NEIGHBOUR_INDEX, SCORE, SIMILARITY, item_neighbours, neighbour_scores
from mind.baselines.neighbour_scorer import Neighbours, NeighbourScorer
from mind.config import load
from mind.features.history import histories_at_end, user_sequences
from mind.recommending import ItemCfSection
from mind.serving.neighbours import ItemCF, neighbour_lists, with_histories
from mind.serving.searching import EXCLUDED, EXHAUSTED
from mind.tables import BY_NEIGHBOURS, BY_POPULARITY, ITEM_CF
from mind.tables import names as n
from tests.behaviours.shop import behaviour, source
from tests.features.slow import items_frame, log_frame, vocabulary_frame

LENGTH = 6
ITEMS = {f"item {'zyxwvutsrqponmlkjihgfedcba'[number - 2]}": number for number in range(2, 26)}
"""The order of the ids is not that of the indexes: ties go by the id."""
BLOCKED = {"item x", "item q"}
ALONE = "item c"
"""Chosen by one user, who chose nothing else: it has no neighbours."""
SECTION = ItemCfSection(neighbours=5, damping=1.0, most_recent=9, recency_decay=0.8, history_length=LENGTH)
Lists = dict[str, tuple[Any, ...]]


def a_log() -> list[dict[str, Any]]:
    """Users of one to thirty behaviours with ties of time and repeats; half of all events are on one item."""
    chance, rows = random.Random(3), []
    listed = [item for item in ITEMS if item != ALONE]
    for user in range(40):
        for _ in range(chance.choice([1, 2, 5, 30])):
            item = listed[0] if chance.random() < 0.5 else chance.choice([*listed, "not listed"])
            rows.append(behaviour(len(rows), f"user {user}", item, chance.randrange(40)))
    rows += [behaviour(10**5 + number, "loner", ALONE, number) for number in range(2)]
    return [*rows, behaviour(10**5 + 9, "stranger", "not listed", 1)]


@pytest.fixture(scope="module")
def log(spark: SparkSession) -> DataFrame:
    return log_frame(spark, a_log()).persist()


@pytest.fixture(scope="module")
def known(spark: SparkSession) -> DataFrame:
    return items_frame(spark, ITEMS).persist()


@pytest.fixture(scope="module")
def histories(spark: SparkSession, log: DataFrame, known: DataFrame) -> DataFrame:
    sequences = user_sequences(log, known, vocabulary_frame(spark), source(), most_recent=LENGTH)
    return histories_at_end(sequences, LENGTH).persist()


@pytest.fixture(scope="module")
def similar(log: DataFrame, known: DataFrame) -> DataFrame:
    chosen = log.join(known, n.ITEM_ID).select(n.USER_ID, n.ITEM_INDEX, n.EVENT_TIME)
    return item_neighbours(chosen, neighbours=5, damping=1.0, most_recent=9).persist()


@pytest.fixture(scope="module")
def due(histories: DataFrame, similar: DataFrame) -> dict[str, dict[str, float]]:
    """By user and item the scores above 0 that `NeighbourScorer` gives to the same histories."""
    table, rows = similar.toArrow(), histories.orderBy(n.USER_ID).collect()
    columns = [table[name].to_numpy() for name in (n.ITEM_INDEX, NEIGHBOUR_INDEX, SIMILARITY)]
    scorer = NeighbourScorer(Neighbours.from_columns(*columns, len(ITEMS)), SECTION.recency_decay)
    scores = scorer.scores({n.HISTORY: np.array([row[n.HISTORY] for row in rows])})
    return {
        row[n.USER_ID]: {item: scores[place, index - 2] for item, index in ITEMS.items() if scores[place, index - 2]}
        for place, row in enumerate(rows)
    }


def test_scores_are_those_of_the_scorer(
    histories: DataFrame, similar: DataFrame, known: DataFrame, due: dict[str, dict[str, float]]
) -> None:
    named = known.select(n.ITEM_ID, F.col(n.ITEM_INDEX).alias(NEIGHBOUR_INDEX))
    by_id = similar.join(named, NEIGHBOUR_INDEX).select(n.ITEM_INDEX, n.ITEM_ID, SIMILARITY)
    found: dict[str, dict[str, float]] = {user: {} for user in due}
    for row in neighbour_scores(histories, by_id, recency_decay=SECTION.recency_decay).collect():
        found[row[n.USER_ID]][row[n.ITEM_ID]] = row[SCORE]
    assert sum(map(len, due.values())) > 300
    assert due["loner"] == {}
    for user, scores in due.items():
        assert found[user] == pytest.approx(scores, abs=1e-9, rel=0)


def touched_by_hand() -> dict[str, list[str]]:
    """Some exclude what they would get first, one all but one item, one all; one what no list may hold anyway."""
    every = sorted(ITEMS)
    return {"user 1": every[:7], "user 2": every[1:], "user 3": every, "user 4": ["gone", *BLOCKED], "loner": every[:2]}


def lists_of(spark: SparkSession, histories: DataFrame, log: DataFrame, known: DataFrame, wanted: int) -> Lists:
    counts = Counter(row[n.ITEM_ID] for row in a_log())
    may_be = known.where(~F.col(n.ITEM_ID).isin(*BLOCKED))
    rows = [(item, counts[item]) for item in ITEMS if item not in BLOCKED]
    popular = spark.createDataFrame(rows, f"{n.ITEM_ID} string, {n.BEHAVIOURS} long").repartition(3)
    excluded = spark.createDataFrame(list(touched_by_hand().items()), f"{n.USER_ID} string, {EXCLUDED} array<string>")
    found = neighbour_lists(histories, log, known, may_be, excluded, popular, SECTION, wanted)
    return {row[n.USER_ID]: tuple(row)[1:] for row in found.collect()}


@pytest.mark.parametrize("wanted", [4, 21])
def test_lists_are_the_best_by_the_scorer_then_the_most_popular(
    spark: SparkSession,
    histories: DataFrame,
    log: DataFrame,
    known: DataFrame,
    due: dict[str, dict[str, float]],
    wanted: int,
) -> None:
    counts = Counter(row[n.ITEM_ID] for row in a_log())
    found = lists_of(spark, histories, log, known, wanted)
    assert set(found) == set(due) == {row[0] for row in with_histories(log, known).collect()}
    filled = 0
    for user, scores in due.items():
        out = BLOCKED | set(touched_by_hand().get(user, []))
        reached = sorted(set(scores) - out, key=lambda item: (-np.float32(scores[item]), item))[:wanted]
        others = sorted(set(ITEMS) - out - set(reached), key=lambda item: (-counts[item], item))
        others = others[: wanted - len(reached)]
        items, values, origins, origin, shortfall = found[user]
        assert items == [*reached, *others], user
        assert values == pytest.approx([*(scores[item] for item in reached), *(0 for _ in others)], abs=1e-6)
        assert origins == [BY_NEIGHBOURS] * len(reached) + [BY_POPULARITY] * len(others)
        assert (origin, shortfall) == (ITEM_CF, None if len(items) == wanted else EXHAUSTED)
        filled += bool(others)
    assert filled, "nobody's neighbours end before the list is full"
    assert (len(found["user 2"][0]), len(found["user 3"][0])) == (1, 0)


def test_partitions_and_shuffled_joins_change_no_bit(
    spark: SparkSession, histories: DataFrame, log: DataFrame, known: DataFrame
) -> None:
    one = lists_of(spark, histories.coalesce(1), log.coalesce(1), known.coalesce(1), 9)
    kept = {
        name: spark.conf.get(name) for name in ("spark.sql.shuffle.partitions", "spark.sql.autoBroadcastJoinThreshold")
    }
    try:
        spark.conf.set("spark.sql.shuffle.partitions", "5")
        spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
        other = lists_of(spark, histories.repartition(7), log.repartition(4), known.repartition(3), 9)
    finally:
        for name, value in kept.items():
            spark.conf.set(name, value)
    assert one == other


def test_nights_of_other_settings_have_other_checksums() -> None:
    held = load().item_cf
    assert ItemCF(section=held).checksum == ItemCF(section=load().item_cf).checksum
    other = load(overrides=["item_cf.damping=3.5"]).item_cf
    assert ItemCF(section=held).checksum != ItemCF(section=other).checksum
    assert ItemCF(section=held).version == ITEM_CF


@pytest.mark.parametrize("decay", [0.0, 1.1])
def test_a_decay_that_means_nothing_is_refused(histories: DataFrame, similar: DataFrame, decay: float) -> None:
    with pytest.raises(ValueError, match="recency_decay"):
        neighbour_scores(histories, similar, recency_decay=decay)
