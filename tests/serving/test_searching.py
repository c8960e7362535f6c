"""Every user gets exactly N, the best that a loop finds, whatever the batches and partitions."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from mind.errors import MindError
from mind.recommending import RetrievalSection
from mind.retrieval import Catalogue, ExactIndex, Selection, selected_batch
from mind.serving.embedding import ServingModel
from mind.serving.night import categories, touched
from mind.serving.searching import (
    CATEGORY,
    EXCLUDED,
    EXHAUSTED,
    FALLBACK,
    SentIndex,
    build_index,
    fallback,
    measured_recall,
    retrieve,
)
from mind.source import load_source
from mind.tables import names as n
from tests.retrieval.bruteforce import best_items
from tests.serving.small_model import DS, ITEMS, USERS, alone

WANTED = 12


@pytest.fixture(scope="module")
def index(vectors: DataFrame, model: ServingModel, interests: DataFrame) -> SentIndex:
    return build_index(vectors, model, interests, section(1))


def excluded(spark: SparkSession) -> dict[str, list[str]]:
    """One user touched two items, one all but four, one everything, one something that is not recommended."""
    every = [f"item {index}" for index in range(2, ITEMS)]
    return {"üser 0": every[3:5], "üser 1": every[4:], "üser 2": every, "üser 3": ["gone", *every[:1]]}


def section(users_per_batch: int, index: str = "exact", least: float = 0.9) -> RetrievalSection:
    return RetrievalSection(
        method="champion",
        candidates=WANTED,
        exclude_days=0,
        blocklist="",
        allowlist="",
        inactive_days=0,
        interest_share=0.0,
        diversity=0.0,
        diversity_feature="",
        diversity_pool=1,
        fallback_days=1,
        users_per_batch=users_per_batch,
        index=index,
        exact_items=0,
        recall=least,
        recall_users=6,
    )


def lists(spark: SparkSession, interests: DataFrame, index: SentIndex, users_per_batch: int) -> dict[str, tuple]:
    left_out = spark.createDataFrame(list(excluded(spark).items()), f"{n.USER_ID} string, {EXCLUDED} array<string>")
    rows = retrieve(interests, left_out, index, section(users_per_batch)).collect()
    assert len(rows) == USERS
    return {row[n.USER_ID]: tuple(row) for row in rows}


def test_every_user_gets_the_best_items_that_a_loop_finds(
    spark: SparkSession, interests: DataFrame, index: SentIndex, vectors: DataFrame
) -> None:
    rows = {row[n.ITEM_ID]: row[n.VECTOR] for row in vectors.collect()}
    catalogue = Catalogue.build(list(rows), list(rows.values()), model_version="7", vocabulary="7-ab")
    found = lists(spark, interests, index, users_per_batch=5)
    for user, interests_KD in alone().items():
        left_out = excluded(spark).get(user, [])
        positions = catalogue.known_positions(left_out).tolist()
        wanted = best_items(interests_KD, positions, catalogue, WANTED)
        _, items, scores, of_interest, origin, shortfall = found[user]
        assert list(zip(items, scores, of_interest, strict=True)) == wanted
        assert origin == "model"
        assert len(set(items)) == len(items)
        assert not set(items) & set(left_out)
        assert shortfall == (None if len(items) == WANTED else EXHAUSTED)
    assert {user: len(found[user][1]) for user in excluded(spark)} == {
        "üser 0": 12,
        "üser 1": 4,
        "üser 2": 0,
        "üser 3": 12,
    }


def test_lists_depend_on_neither_batches_nor_partitions(
    spark: SparkSession, interests: DataFrame, index: SentIndex
) -> None:
    wanted = lists(spark, interests, index, users_per_batch=64)
    assert lists(spark, interests.repartition(3), index, users_per_batch=1) == wanted


def test_recall_is_measured_on_a_fixed_sample_of_other_users_than_the_index_was_tuned_on(
    spark: SparkSession, interests: DataFrame, index: SentIndex, vectors: DataFrame, model: ServingModel
) -> None:
    left_out = spark.createDataFrame(list(excluded(spark).items()), f"{n.USER_ID} string, {EXCLUDED} array<string>")
    exact = measured_recall(interests, left_out, index, section(4)).collect()
    assert {(row[n.RECALL], row[n.INDEX_KIND]) for row in exact} == {(1.0, "exact")}
    users = {row[n.USER_ID] for row in exact}
    assert len(users) == 6
    # Lists of no reach at all: some items are missing, and the number says how many.
    rough = build_index(vectors, model, interests, section(4, "ivf", least=0.0))
    assert rough.kind == "ivf"
    ours = lists(spark, interests, index, 4)
    theirs = {row[n.USER_ID]: row[n.ITEM_IDS] for row in retrieve(interests, left_out, rough, section(4)).collect()}
    for row in measured_recall(interests.repartition(3), left_out, rough, section(4)).collect():
        users.discard(row[n.USER_ID])
        best = ours[row[n.USER_ID]][1]
        shared = len(set(best) & set(theirs[row[n.USER_ID]]))
        assert row[n.RECALL] == (shared / len(best) if best else 1.0)
    assert not users


def test_users_without_interests_get_the_most_popular_items(spark: SparkSession) -> None:
    cold = spark.createDataFrame([("ann",), ("bob",)], f"{n.USER_ID} string")
    counts = [("z", 5), ("b", 9), ("a", 5), ("never", 0)]
    popular = spark.createDataFrame(counts, f"{n.ITEM_ID} string, {n.BEHAVIOURS} long").repartition(2)
    for row in fallback(cold, popular, 3).collect():
        assert row[n.ITEM_IDS] == ["b", "a", "z"]
        assert row[n.SCORES] == pytest.approx([9 / 19, 5 / 19, 5 / 19])
        assert row[n.INTEREST_OF_ORIGIN] == [-1, -1, -1]
        assert (row[n.ORIGIN], row[n.SHORTFALL]) == (FALLBACK, None)
    for row in fallback(cold, popular, 5).collect():
        assert row[n.ITEM_IDS] == ["b", "a", "z", "never"]
        assert row[n.SHORTFALL] == EXHAUSTED


def test_only_what_was_touched_in_the_last_days_is_left_out(spark: SparkSession) -> None:
    rows = [
        ("ann", "today", DS),
        ("ann", "today", DS),
        ("ann", "yesterday", date(2011, 12, 7)),
        ("ann", "before", date(2011, 12, 6)),
        ("bob", "before", date(2011, 12, 6)),
    ]
    events = spark.createDataFrame(rows, f"{n.USER_ID} string, {n.ITEM_ID} string, {n.EVENT_DAY} date").coalesce(1)
    found = {row[n.USER_ID]: sorted(row[EXCLUDED]) for row in touched(events, DS, 2).collect()}
    assert found == {"ann": ["today", "yesterday"]}
    assert touched(events, DS, 0).isEmpty()


def test_an_interest_keeps_its_share_and_categories_travel_with_the_index(
    spark: SparkSession, interests: DataFrame, vectors: DataFrame, model: ServingModel
) -> None:
    category = {f"item {index}": index % 3 for index in range(2, ITEMS)}
    frame = spark.createDataFrame(list(category.items()), f"{n.ITEM_ID} string, {CATEGORY} int")
    asked = section(4).model_copy(
        update={"diversity": 0.5, "diversity_feature": "colour", "diversity_pool": 2, "interest_share": 1.0}
    )
    sent = build_index(vectors, model, interests, asked, frame)
    nothing = spark.createDataFrame([], f"{n.USER_ID} string, {EXCLUDED} array<string>")
    rows = {row[n.ITEM_ID]: row[n.VECTOR] for row in vectors.collect()}
    catalogue = Catalogue.build(list(rows), list(rows.values()), model_version="7", vocabulary="7-ab")
    chosen = Selection(
        interest_share=1.0,
        diversity=0.5,
        pool=2,
        categories_V=np.array([category[item] for item in catalogue.item_ids], np.int32),
    )
    by_hand = alone()
    found = retrieve(interests, nothing, sent, asked).collect()
    assert len(found) == USERS
    for row in found:
        mine = by_hand[row[n.USER_ID]]
        [due] = selected_batch(["u"], [mine], [[]], catalogue, ExactIndex.build(catalogue), WANTED, chosen)
        assert row[n.ITEM_IDS] == due.item_ids(catalogue.item_ids)
        assert min(np.bincount(row[n.INTEREST_OF_ORIGIN], minlength=len(mine))) > 0


def test_a_category_is_a_feature_of_the_source_or_refused(spark: SparkSession) -> None:
    source = load_source("movielens_1m")
    items = spark.createDataFrame([("a", [2, 7])], f"{n.ITEM_ID} string, {n.ITEM_CODES} array<int>")
    asked = section(1).model_copy(update={"diversity": 1.0, "diversity_feature": next(iter(source.item_features))})
    assert categories(items, source, section(1)) is None
    assert [tuple(row) for row in categories(items, source, asked).collect()] == [("a", 7)]  # type: ignore[union-attr]
    with pytest.raises(MindError, match="diversity_feature is 'colour'; item features of source movielens_1m are"):
        categories(items, source, asked.model_copy(update={"diversity_feature": "colour"}))
