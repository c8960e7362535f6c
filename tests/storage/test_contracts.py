"""Every contract becomes a Spark table that keeps it, and a broken one is told with all of its faults."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from mind.storage.spark_schema import arrow_schema, spark_schema
from mind.tables import ALL, BEHAVIOURS, VOCABULARY, Contract, ContractError
from mind.tables import names as n


@pytest.mark.parametrize("contract", ALL, ids=lambda contract: contract.name)
def test_a_table_made_from_a_contract_keeps_it(spark: SparkSession, contract: Contract) -> None:
    schema = spark_schema(contract)
    contract.check_schema(arrow_schema(spark.createDataFrame([], schema)))
    assert schema.names == contract.column_names
    for field, column in zip(schema, contract.columns, strict=True):
        assert field.nullable != column.required
        assert field.metadata["comment"].startswith(column.meaning)
        assert "timestamp_ntz" not in field.dataType.simpleString()


@pytest.mark.parametrize("contract", ALL, ids=lambda contract: contract.name)
def test_every_column_is_missed(contract: Contract) -> None:
    for place, column in enumerate(contract.columns):
        with pytest.raises(ContractError, match=f"missing {column.name} "):
            contract.check_schema(contract.schema().remove(place))


def test_faults_are_told_all_at_once_with_the_tables_name() -> None:
    wrong = pa.schema(
        [(n.FEATURE, pa.string()), (n.INDEX, pa.int64()), (n.ADDED_DS, pa.string()), ("extra", pa.bool_())]
    )
    with pytest.raises(ContractError) as told:
        VOCABULARY.check_schema(wrong)
    for part in (
        "table vocabulary",
        "missing value (string)",
        "unexpected extra (bool)",
        "index is int64, promised int32",
        "added_ds is string, promised date32[day]",
    ):
        assert part in str(told.value)


@pytest.mark.parametrize(
    "kind", [pa.timestamp("us"), pa.timestamp("ms", tz="UTC"), pa.timestamp("us", tz="Asia/Tokyo")]
)
def test_a_moment_is_in_utc_and_microseconds(kind: pa.DataType) -> None:
    place = BEHAVIOURS.column_names.index(n.EVENT_TIME)
    with pytest.raises(ContractError, match="event_time is timestamp"):
        BEHAVIOURS.check_schema(BEHAVIOURS.schema().set(place, pa.field(n.EVENT_TIME, kind)))


def test_tables_have_names_of_their_own() -> None:
    assert len({contract.name for contract in ALL}) == len(ALL)


def test_the_query_of_the_table_reference_unfolds_a_list(spark: SparkSession) -> None:
    page = (Path(__file__).resolve().parent.parent.parent / "docs" / "tables.md").read_text(encoding="utf-8")
    query = page.split("```sql\n")[1].split("```")[0]
    ann = "SELECT 'ann' user_id, array('b', 'a') item_ids, array(0.5f, 0.25f) scores, DATE'2011-12-08' ds"
    bob = "SELECT 'bob', array('c'), array(1f), DATE'2011-12-09'"
    spark.sql(f"{ann} UNION ALL {bob}").createOrReplaceTempView("held")
    rows = spark.sql(re.sub(r"delta\.`[^`]+`", "held", query)).collect()
    assert [tuple(row) for row in rows] == [("ann", 1, "b", 0.5), ("ann", 2, "a", 0.25)]
