"""Contracts in Spark's words: types, nullability and comments."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_type, to_arrow_type
from pyspark.sql.types import StructField, StructType

from mind.tables import Contract


def spark_schema(contract: Contract) -> StructType:
    """The schema of the table, with the meaning of each column as its comment."""
    fields = []
    for column in contract.columns:
        comment = f"{column.meaning} [{column.unit}]" if column.unit else column.meaning
        kind = from_arrow_type(column.type, prefer_timestamp_ntz=True)
        fields.append(StructField(column.name, kind, not column.required, {"comment": comment}))
    return StructType(fields)


def arrow_schema(frame: DataFrame) -> pa.Schema:
    """The Arrow schema of a frame, times in UTC."""
    return pa.schema(
        [pa.field(field.name, to_arrow_type(field.dataType, timestamp_utc=True)) for field in frame.schema]
    )
