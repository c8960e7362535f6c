"""Contracts in Spark's words: types, nullability and comments."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_type, to_arrow_type
from pyspark.sql.types import StructField, StructType

from mind.tables import Contract


def spark_schema(contract: Contract, names: Collection[str] | None = None) -> StructType:
    """The schema of the table, or of those of its columns (optional ones too) that are named, with the meaning of each
    as its comment."""
    every = (*contract.columns, *contract.optional)
    fields = []
    for column in contract.columns if names is None else [column for column in every if column.name in names]:
        comment = f"{column.meaning} [{column.unit}]" if column.unit else column.meaning
        kind = from_arrow_type(column.type, prefer_timestamp_ntz=True)
        fields.append(StructField(column.name, kind, not column.required, {"comment": comment}))
    return StructType(fields)


def arrow_schema(frame: DataFrame) -> pa.Schema:
    """The Arrow schema of a frame, times in UTC."""
    return pa.schema(
        [pa.field(field.name, to_arrow_type(field.dataType, timestamp_utc=True)) for field in frame.schema]
    )
