"""The small model stored, and what Spark's workers compute with it, once for the tests of this folder."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession

from mind.model import save
from mind.serving.embedding import ServingModel, embed_items, embed_users, serving_model
from mind.tables import names as n
from tests.serving.small_model import HISTORIES, ITEMS, histories, network


@pytest.fixture(scope="package")
def model(tmp_path_factory: pytest.TempPathFactory) -> ServingModel:
    folder = tmp_path_factory.mktemp("model")
    features = {"item_features": [n.ITEM_ID, "colour"], "profile_features": ["country"]}
    facts = {"vocabulary": "7-ab", "history_days": 0, **features}
    save(network(), folder, facts)
    return serving_model(folder, "7")


@pytest.fixture(scope="package")
def interests(spark: SparkSession, model: ServingModel) -> DataFrame:
    frame = spark.createDataFrame(histories(), HISTORIES).repartition(2)
    return embed_users(frame, model).persist()


@pytest.fixture(scope="package")
def vectors(spark: SparkSession, model: ServingModel) -> DataFrame:
    rows = [(f"item {index}", index) for index in range(2, ITEMS)]
    frame = spark.createDataFrame(rows, f"{n.ITEM_ID} string, {n.ITEM_INDEX} int")
    return embed_items(frame, model).persist()
