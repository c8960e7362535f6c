"""The same tables under names of Spark's catalog: made, replaced, added to, read by version, and entered afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from mind.config import ConfigError, load
from mind.errors import MindError
from mind.storage.lake import Lake
from mind.storage.plain_delta import read_plainly
from mind.tables import BEHAVIOURS, VOCABULARY
from mind.tables import names as n
from tests.storage.frames import frame_of, rows_of
from tests.storage.test_lake import DAY, NEXT, events
from tests.storage.test_lake_add import appends

CATALOG = "spark_catalog.mind_test"


@pytest.mark.slow
def test_tables_have_names_and_paths(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(spark, str(tmp_path / "it's a lake"), CATALOG)
    plain = Lake(spark, lake.root)
    try:
        lake.replace(BEHAVIOURS, frame_of(spark, BEHAVIOURS, events(DAY) + events(NEXT)), DAY, NEXT)
        lake.replace(BEHAVIOURS, frame_of(spark, BEHAVIOURS, events(NEXT, 2, "bob")), NEXT, NEXT)
        due = rows_of(frame_of(spark, BEHAVIOURS, events(DAY) + events(NEXT, 2, "bob")))
        assert rows_of(lake.read(BEHAVIOURS)) == rows_of(spark.table(f"{CATALOG}.behaviours")) == due
        assert rows_of(plain.read(BEHAVIOURS)) == due, "the files lie somewhere else"
        assert read_plainly(lake.root, BEHAVIOURS).num_rows == len(due)
        assert lake.frame(BEHAVIOURS, lake.version(BEHAVIOURS) - 1).count() == len(events(DAY) + events(NEXT))

        plain.add(VOCABULARY, appends(spark, "b"))
        assert not spark.catalog.tableExists(f"{CATALOG}.vocabulary")
        assert lake.add(VOCABULARY, appends(spark, "a", "b")) == 1, "what was made without the catalog is not found"
        assert rows_of(spark.table(f"{CATALOG}.vocabulary"), n.VALUE) == [{n.VALUE: "a"}, {n.VALUE: "b"}]

        elsewhere = Lake(spark, str(tmp_path / "another"), CATALOG)
        with pytest.raises(MindError, match=r"behaviours` lies at .*it's a lake.*lake\.root wants it at .*another"):
            elsewhere.read(BEHAVIOURS)
    finally:
        spark.sql(f"DROP SCHEMA IF EXISTS {CATALOG} CASCADE")
    assert not Path("spark-warehouse").exists()
    assert not Path("metastore_db").exists()


def test_a_name_that_is_no_schema_is_refused() -> None:
    assert load(overrides=["lake.catalog=spark_catalog.mind"]).lake.catalog == "spark_catalog.mind"
    for wrong in ("a.b.c", "mind; drop", "mind."):
        with pytest.raises(ConfigError, match=r"lake\.catalog"):
            load(overrides=[f"lake.catalog={wrong}"])
