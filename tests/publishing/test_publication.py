"""What readers see is written down once, and a night that is published already is not published again."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.publishing.gates import Gate
from mind.publishing.publication import as_json, is_published, new_publication, night_before
from mind.storage.lake import Lake
from mind.tables import CANDIDATES, PUBLICATIONS
from mind.tables import names as n

DS = date(2011, 12, 8)
BEFORE, AFTER = DS - timedelta(days=1), DS + timedelta(days=1)
GATES = [Gate(name="lists", value=2.0, rule="must be at least 1", passed=True)]


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return Lake(spark, str(tmp_path_factory.mktemp("lake")))


def candidates(lake: Lake, ds: date, users: int) -> DataFrame:
    frame = lake.spark.range(users).select(
        F.lit(ds).alias(n.DS),
        F.col("id").cast("string").alias(n.USER_ID),
        F.array(F.lit("a")).alias(n.ITEM_IDS),
        F.array(F.lit(0.5).cast("float")).alias(n.SCORES),
        F.array(F.lit(0)).alias(n.INTEREST_OF_ORIGIN),
        *[F.lit(None).cast("string").alias(n.SHORTFALL), F.lit("model").alias(n.ORIGIN)],
        *[F.lit("7").alias(name) for name in (n.MODEL_VERSION, n.MODEL_CHECKSUM, n.INDEX_CHECKSUM)],
    )
    return frame.coalesce(1)


def publish(lake: Lake, ds: date, content: str) -> None:
    version = lake.version(CANDIDATES)
    assert lake.add(PUBLICATIONS, lambda held: new_publication(held, ds, content, version, "7", as_json(GATES))) == 1


def test_publications_follow_each_other_on_real_tables(lake: Lake) -> None:
    none = lake.read_or_empty(PUBLICATIONS)
    assert night_before(none, lake.read_or_empty(CANDIDATES), DS) is None
    assert not is_published(none, DS, "2-a")

    lake.replace(CANDIDATES, candidates(lake, BEFORE, 3), BEFORE, BEFORE)
    publish(lake, BEFORE, "3-before")
    lake.replace(CANDIDATES, candidates(lake, DS, 2), DS, DS)
    publish(lake, DS, "2-a")
    publications, lists = lake.read(PUBLICATIONS), lake.read(CANDIDATES)

    assert is_published(publications, DS, "2-a")
    assert not is_published(publications, DS, "2-b")
    assert not is_published(publications, BEFORE, "2-a"), "the content of one night is not that of another"
    for day, night, count in ((DS, BEFORE, 3), (AFTER, DS, 2)):
        before = night_before(publications, lists, day)
        assert before is not None
        assert [tuple(row) for row in before.groupBy(n.DS).count().collect()] == [(night, count)]
    assert night_before(publications, lists, BEFORE) is None, "a night is not compared with itself or a later one"

    # The same night with other lists, then with the first ones again: readers saw the second in between.
    lake.replace(CANDIDATES, candidates(lake, DS, 4), DS, DS)
    publish(lake, DS, "4-b")
    assert not is_published(lake.read(PUBLICATIONS), DS, "2-a")
    lake.replace(CANDIDATES, candidates(lake, DS, 2), DS, DS)
    publish(lake, DS, "2-a")
    assert is_published(lake.read(PUBLICATIONS), DS, "2-a")

    rows = lake.read(PUBLICATIONS).orderBy(n.TABLE_VERSION).collect()
    ids = ["2011-12-07/1/3-before", "2011-12-08/1/2-a", "2011-12-08/2/4-b", "2011-12-08/3/2-a"]
    assert [row[n.PUBLICATION_ID] for row in rows] == ids
    assert [row[n.REPLACES] for row in rows] == [None, *ids[:-1]]
    assert [(row[n.MODEL_VERSION], row[n.ACTION]) for row in rows] == [("7", "publish")] * 4
    assert json.loads(rows[0][n.GATES]) == [
        {"name": "lists", "value": 2.0, "rule": "must be at least 1", "passed": True}
    ]
    held = lake.spark.read.format("delta").option("versionAsOf", rows[2][n.TABLE_VERSION]).load(lake.path(CANDIDATES))
    assert held.where(F.col(n.DS) == F.lit(DS)).count() == 4, "the recorded version is not what readers saw"
