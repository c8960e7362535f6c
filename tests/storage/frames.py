"""Frames from plain rows by their contract, and back: what the tests of the Spark rooms write and compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from mind.tables import Contract


def frame_of(spark: SparkSession, contract: Contract, rows: Iterable[Mapping[str, Any]]) -> DataFrame:
    """The rows as a frame of the contract's columns and types; a key that a row lacks is null."""
    schema = pa.schema([pa.field(column.name, column.type) for column in contract.columns])
    return spark.createDataFrame(pa.Table.from_pylist([dict(row) for row in rows], schema=schema))


def rows_of(frame: DataFrame, *columns: str) -> list[dict[str, Any]]:
    """The rows (of some columns) as dictionaries, moments in UTC and maps as dictionaries, in a stable order."""
    table = (frame.select(*columns) if columns else frame).toArrow()
    maps = [field.name for field in table.schema if pa.types.is_map(field.type)]
    rows = table.to_pylist()
    for row in rows:
        row |= {name: dict(row[name]) for name in maps if row[name] is not None}
    return sorted(rows, key=lambda row: repr(sorted(row.items())))
