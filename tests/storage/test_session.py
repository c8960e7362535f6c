"""What every step relies on is set, whatever the properties file says."""

from __future__ import annotations

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from mind.storage.session import PROMISED, session


def test_the_session_keeps_its_promises_and_is_one(spark: SparkSession) -> None:
    assert {key: spark.conf.get(key) for key in PROMISED} == PROMISED
    assert session() is spark


def test_a_dirty_cast_is_an_error_and_not_a_null(spark: SparkSession) -> None:
    with pytest.raises(PySparkException, match="CAST_INVALID_INPUT"):
        spark.sql("select cast('x' as int)").collect()


def test_a_new_step_does_not_keep_what_the_last_one_cached(spark: SparkSession) -> None:
    frame = spark.range(3).cache()
    assert frame.count() == 3
    assert spark.range(3).storageLevel.useMemory
    session()
    assert not spark.range(3).storageLevel.useMemory
