"""What Spark's workers compute is what the model computes alone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.errors import BrokenPromise
from mind.features.fit import known_history, known_profile
from mind.model import save
from mind.serving.embedding import ServingModel, embed_users, serving_model
from mind.serving.explaining import interest_reasons
from mind.serving.night import check_versions, stamped
from mind.storage.lake import Lake
from mind.tables import USER_INTERESTS
from mind.tables import names as n
from tests.serving.small_model import COLOURS, COUNTRIES, DS, HISTORIES, ITEMS, LENGTH, alone, histories, network


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


def test_the_reasons_of_an_interest_are_its_heaviest_behaviours(model: ServingModel) -> None:
    history = [5, ITEMS + 3, 9, 5, 12, 20, 7, 0]
    reasons = interest_reasons(model, {n.HISTORY: history, n.PROFILE: [1]}, most=3)
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
    [reason] = interest_reasons(model, {n.HISTORY: [4, 0, 0, 0, 0, 0, 0, 0], n.PROFILE: [0]}, most=3)
    assert reason.items == [4]


def test_ages_reach_the_model_the_table_and_its_explanation(spark: SparkSession, tmp_path: Path) -> None:
    """A model of ages and one without serve one after the other: the table's column comes and holds nulls then."""
    network_of_ages, tables = network(behaviour_time=True), Lake(spark, str(tmp_path / "lake"))
    facts = {"vocabulary": "7-ab", "item_features": [n.ITEM_ID, "colour"], "profile_features": ["country"]}
    save(network_of_ages, tmp_path / "ages", facts)
    save(network(), tmp_path / "plain", facts)
    model, plain = serving_model(tmp_path / "ages", "8"), serving_model(tmp_path / "plain", "7")
    assert (model.behaviour_time, plain.behaviour_time) == (True, False)
    rows = [(*row, [24 - 3 * place if item else 0 for place, item in enumerate(row[1])]) for row in histories()]
    frame = spark.createDataFrame(rows, f"{HISTORIES}, {n.HISTORY_AGES} array<tinyint>")
    days = [DS + timedelta(days=number) for number in range(3)]
    for day, served in zip(days, (plain, model, plain), strict=True):
        tables.replace(USER_INTERESTS, stamped(embed_users(frame, served), day, served), day, day)
    assert n.HISTORY_AGES in tables.read(USER_INTERESTS).columns
    stored = {row[n.USER_ID]: row for row in tables.read(USER_INTERESTS, days[1]).collect()}
    assert {row[n.HISTORY_AGES] for row in tables.read(USER_INTERESTS, days[2]).collect()} == {None}
    for user, history, _, profile, ages in rows:
        told = network_of_ages.infer(
            torch.from_numpy(known_history(np.array([history], np.int32), ITEMS)),
            torch.from_numpy(known_profile(np.array([profile], np.int32), [COUNTRIES])),
            age_BL=torch.tensor([ages]),
        )
        found = np.array(stored[user][n.INTERESTS], np.float32)
        assert found.tobytes() == told.vectors_BKD[0][told.active_BK[0]].numpy().tobytes()
        assert stored[user][n.HISTORY_AGES] == ages
        reasons = interest_reasons(model, stored[user], most=1)
        assert [reason.weights[0] for reason in reasons] == pytest.approx(
            told.weights_BLK[0].amax(dim=0)[: len(reasons)].tolist()
        )
    for nameless in tables.read(USER_INTERESTS, days[2]).limit(1).collect():
        with pytest.raises(BrokenPromise, match=r"version 8 takes behaviours' ages.*run embed_users"):
            interest_reasons(model, nameless, most=1)
    with pytest.raises(BrokenPromise, match="histories have no ages"):
        embed_users(spark.createDataFrame(histories(), HISTORIES), model)


def test_histories_reach_as_far_as_in_training_and_as_configured_where_nobody_knows(
    model: ServingModel, tmp_path: Path
) -> None:
    assert model.reach(30) == 0
    features = {"item_features": [n.ITEM_ID, "colour"], "profile_features": ["country"]}
    for facts, reach in (({"history_days": 12}, 12), ({"history_days": None}, 30), ({}, 30)):
        save(network(), tmp_path, {"vocabulary": "7-ab", **features, **facts})
        assert serving_model(tmp_path, "8").reach(30) == reach
