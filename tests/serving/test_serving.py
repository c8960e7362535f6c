"""What Spark's workers compute is what the model computes alone, and every user gets exactly N."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import torch
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.errors import BrokenPromise
from mind.features.fit import known_history, known_profile
from mind.model import MIND, save
from mind.recommending import RetrievalSection
from mind.retrieval import Catalogue
from mind.serving.embedding import ServingModel, embed_items, embed_users, serving_model
from mind.serving.explaining import interest_reasons
from mind.serving.night import check_versions, stamped, touched
from mind.serving.searching import (
    EXCLUDED,
    EXHAUSTED,
    FALLBACK,
    SentIndex,
    build_index,
    fallback,
    measured_recall,
    retrieve,
)
from mind.tables import names as n
from tests.retrieval.bruteforce import best_items

DS = date(2011, 12, 8)
ITEMS, COLOURS, COUNTRIES, LENGTH = 30, 4, 3, 8
WANTED = 12
USERS = 23
HISTORIES = f"{n.USER_ID} string, {n.HISTORY} array<int>, {n.HISTORY_LENGTH} int, {n.PROFILE} array<int>"


def network() -> MIND:
    random = torch.Generator().manual_seed(9)
    colours = torch.randint(0, COLOURS, (ITEMS,), generator=random)
    colours[0] = 0
    return MIND(
        item_features_VF=torch.stack([torch.arange(ITEMS), colours], dim=1),
        feature_sizes=[ITEMS, COLOURS],
        profile_sizes=[COUNTRIES],
        history_length=LENGTH,
        dimension=8,
        interests=3,
        hidden_sizes=(12,),
        seed=4,
    )


def histories() -> list[tuple[str, list[int], int, list[int]]]:
    """Users of every history length; some touched items, or come from countries, that the model does not know."""
    random = np.random.default_rng(2)
    rows = []
    for number in range(USERS):
        length = number % LENGTH + 1
        items = random.integers(2, ITEMS + 5, length)
        items[-1] = min(items[-1], ITEMS - 1)
        history = [*items.tolist(), *[0] * (LENGTH - length)]
        rows.append((f"üser {number}", history, length, [int(random.integers(0, COUNTRIES + 2))]))
    return rows


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ServingModel:
    folder = tmp_path_factory.mktemp("model")
    facts = {"vocabulary": "7-ab", "item_features": [n.ITEM_ID, "colour"], "profile_features": ["country"]}
    save(network(), folder, facts)
    return serving_model(folder, "7")


@pytest.fixture(scope="module")
def interests(spark: SparkSession, model: ServingModel) -> DataFrame:
    frame = spark.createDataFrame(histories(), HISTORIES).repartition(2)
    return embed_users(frame, model).persist()


@pytest.fixture(scope="module")
def vectors(spark: SparkSession, model: ServingModel) -> DataFrame:
    rows = [(f"item {index}", index) for index in range(2, ITEMS)]
    frame = spark.createDataFrame(rows, f"{n.ITEM_ID} string, {n.ITEM_INDEX} int")
    return embed_items(frame, model).persist()


@pytest.fixture(scope="module")
def index(vectors: DataFrame, model: ServingModel, interests: DataFrame) -> SentIndex:
    return build_index(vectors, model, interests, section(1))


def alone() -> dict[str, np.ndarray]:
    """Each user's active interests by the model in this process, one user at a time."""
    held, found = network(), {}
    for user, history, _, profile in histories():
        history_BL = known_history(np.array([history], np.int32), ITEMS)
        profile_BP = known_profile(np.array([profile], np.int32), [COUNTRIES])
        told = held.infer(torch.from_numpy(history_BL), torch.from_numpy(profile_BP))
        found[user] = told.vectors_BKD[0][told.active_BK[0]].numpy()
    return found


def as_bytes(frame: DataFrame) -> dict[str, bytes]:
    rows = frame.select(n.USER_ID, n.INTERESTS).collect()
    return {row[n.USER_ID]: np.array(row[n.INTERESTS], np.float32).tobytes() for row in rows}


def test_the_description_of_a_stored_model_is_read_from_its_files(model: ServingModel) -> None:
    assert model.item_features == {n.ITEM_ID: ITEMS, "colour": COLOURS}
    assert model.profile_features == {"country": COUNTRIES}
    assert (model.items, model.history_length, model.vocabulary) == (ITEMS, LENGTH, "7-ab")
    assert model.sizes == {n.ITEM_ID: ITEMS, "colour": COLOURS, "country": COUNTRIES}


def test_spark_gives_the_interests_of_the_model_alone_to_the_bit(interests: DataFrame) -> None:
    assert as_bytes(interests) == {user: vectors.tobytes() for user, vectors in alone().items()}


def test_partitions_do_not_change_a_bit(spark: SparkSession, model: ServingModel, interests: DataFrame) -> None:
    frame = spark.createDataFrame(histories()[::-1], HISTORIES).coalesce(1)
    assert as_bytes(embed_users(frame, model)) == as_bytes(interests)


def test_inactive_interests_never_reach_the_table(interests: DataFrame) -> None:
    rows = interests.collect()
    assert {len(row[n.INTERESTS]) for row in rows} == {1, 2, 3}
    for row in rows:
        assert len(row[n.INTERESTS]) == row[n.INTEREST_COUNT]
        assert all(np.linalg.norm(vector) > 0.9 for vector in row[n.INTERESTS])
    given = {user: (history, length, profile) for user, history, length, profile in histories()}
    kept = {row[n.USER_ID]: (row[n.HISTORY], row[n.HISTORY_LENGTH], row[n.PROFILE]) for row in rows}
    assert kept == given


def test_spark_gives_the_vectors_of_the_model_alone_to_the_bit(vectors: DataFrame) -> None:
    found = {row[n.ITEM_ID]: np.array(row[n.VECTOR], np.float32) for row in vectors.collect()}
    items_M, wanted_MD = network().catalogue_vectors()
    assert len(found) == len(items_M) == ITEMS - 2
    for item, wanted_D in zip(items_M.tolist(), wanted_MD.numpy(), strict=True):
        assert found[f"item {item}"].tobytes() == wanted_D.tobytes()


def test_another_vocabulary_is_refused_with_both_fingerprints(model: ServingModel) -> None:
    model.check_vocabulary("7-ab")
    with pytest.raises(BrokenPromise, match=r"version 7 was trained with vocabulary 7-ab.*are 7-cd: an index moved"):
        model.check_vocabulary("7-cd")


def test_vectors_of_another_model_are_refused(model: ServingModel, vectors: DataFrame, interests: DataFrame) -> None:
    mine = stamped(vectors.select(n.ITEM_ID), DS, model)
    check_versions(model, {"item_vectors": mine})
    older = interests.select(n.USER_ID).withColumn(n.MODEL_VERSION, F.lit("6"))
    older = older.withColumn(n.MODEL_CHECKSUM, F.lit(model.checksum))
    retrained = mine.withColumn(n.MODEL_CHECKSUM, F.lit("other weights"))
    for wrong, version in ((older, "6"), (retrained, "7"), (mine.unionByName(retrained.limit(1)), "7")):
        frame = wrong.select(n.MODEL_VERSION, n.MODEL_CHECKSUM)
        with pytest.raises(
            BrokenPromise, match=rf"user_interests was made by model version {version}\b.*champion is 7"
        ):
            check_versions(model, {"item_vectors": mine, "user_interests": frame})


def excluded(spark: SparkSession) -> dict[str, list[str]]:
    """One user touched two items, one all but four, one everything, one something that is not recommended."""
    every = [f"item {index}" for index in range(2, ITEMS)]
    return {"üser 0": every[3:5], "üser 1": every[4:], "üser 2": every, "üser 3": ["gone", *every[:1]]}


def section(users_per_batch: int, index: str = "exact", least: float = 0.9) -> RetrievalSection:
    return RetrievalSection(
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


def test_the_reasons_of_an_interest_are_its_heaviest_behaviours(model: ServingModel) -> None:
    history = [5, ITEMS + 3, 9, 5, 12, 20, 7, 0]
    reasons = interest_reasons(model, history, [1], most=3)
    known_BL = known_history(np.array([history], np.int32), ITEMS)
    found = network().infer(torch.from_numpy(known_BL), torch.tensor([[1]], dtype=torch.int32))
    routed = [5, 9, 5, 12, 20, 7]
    assert len(reasons) == int(found.active_BK.sum()) > 1
    for interest, reason in enumerate(reasons):
        heaviest: dict[int, float] = {}
        for item, weight in zip(routed, found.weights_BLK[0, :6, interest].tolist(), strict=True):
            heaviest[item] = max(weight, heaviest.get(item, 0.0))
        wanted = sorted(heaviest.values(), reverse=True)[:3]
        assert reason.weights == wanted
        assert [heaviest[item] for item in reason.items] == wanted
        assert len(set(reason.items)) == 3


def test_a_short_history_gives_all_its_items_as_reasons(model: ServingModel) -> None:
    [reason] = interest_reasons(model, [4, 0, 0, 0, 0, 0, 0, 0], [0], most=3)
    assert reason.items == [4]
