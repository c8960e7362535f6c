"""A frame against its contract, and a fingerprint of its content alone."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from mind.storage.audit import check_rows, content_fingerprint
from mind.tables import BEHAVIOURS, ContractError
from mind.tables import names as n
from tests.behaviours.shop import behaviour
from tests.storage.frames import frame_of


def test_rows_are_counted_when_all_is_well(spark: SparkSession) -> None:
    rows = [behaviour(number, "ann", "tea", number) for number in range(7)]
    assert check_rows(BEHAVIOURS, frame_of(spark, BEHAVIOURS, rows)) == 7
    assert check_rows(BEHAVIOURS, frame_of(spark, BEHAVIOURS, [])) == 0


def test_nulls_and_rows_outside_are_told_at_once(spark: SparkSession) -> None:
    rows = [behaviour(1, "ann", "tea", 0), behaviour(2, None, None, 0), behaviour(3, None, "tea", 0)]
    with pytest.raises(ContractError) as told:
        check_rows(BEHAVIOURS, frame_of(spark, BEHAVIOURS, rows), F.col(n.ITEM_ID) == "tea")
    for part in ("table behaviours", "2 nulls in user_id", "1 nulls in item_id", "2 rows lie outside", "Nothing was"):
        assert part in str(told.value)


def test_repeated_keys_are_counted(spark: SparkSession) -> None:
    rows = [behaviour(number, "ann", "tea", 0) for number in (1, 2, 2, 2, 3, 3)]
    with pytest.raises(ContractError, match=r"3 rows repeat a key \(event_id\)"):
        check_rows(BEHAVIOURS, frame_of(spark, BEHAVIOURS, rows))


def test_a_fingerprint_is_of_the_content_whatever_its_order_and_partitions(spark: SparkSession) -> None:
    content = [(f"value {number}", number, [number, number + 1]) for number in range(200)]
    kind = "name string, number int, codes array<int>"
    frame = spark.createDataFrame(content, kind).persist()
    first = content_fingerprint(frame)
    assert content_fingerprint(frame.repartition(5)) == first
    assert content_fingerprint(spark.createDataFrame(content[::-1], kind).coalesce(1)) == first
    others = [content[1:], [*content, content[0]], [("value 0", 0, [0, 2]), *content[1:]]]
    assert first not in [content_fingerprint(spark.createDataFrame(other, kind)) for other in others]
    frame.unpersist()


def test_a_fingerprint_sees_nulls_and_where_arrays_end(spark: SparkSession) -> None:
    kind = "a array<int>, b array<int>, c array<array<int>>, d int, e int"
    alike = [
        ([1], [2, 3], [[1], [2]], 0, None),
        ([1, 2], [3], [[1], [2]], 0, None),
        ([1], [2, 3], [[1, 2]], 0, None),
        ([1], [2, 3], [[1, 2], []], 0, None),
        ([1], [2, 3], [[1], [2]], None, 0),
        ([1], [2, 3], None, 0, None),
        ([1], [2, 3], [], 0, None),
    ]
    prints = [content_fingerprint(spark.createDataFrame([row], kind)) for row in alike]
    assert len(set(prints)) == len(alike)


def test_no_rows_have_a_fingerprint_too(spark: SparkSession) -> None:
    assert content_fingerprint(spark.createDataFrame([], "name string")).startswith("0-")
