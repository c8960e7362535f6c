"""A frame against its contract, before anything is written."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType

from mind.storage.spark_schema import arrow_schema
from mind.tables import Contract, ContractError


def promised_columns(contract: Contract, frame: DataFrame) -> DataFrame:
    """The contract's columns of the frame, in their order; what the frame lacks is left to `check_rows` to name."""
    names = (*contract.column_names, *contract.optional_names)
    return frame.select(*[name for name in names if name in frame.columns])


def check_rows(contract: Contract, frame: DataFrame, outside: Column | None = None) -> int:
    """Rows of the frame, after its schema, nulls and keys were checked in one pass.

    Raises:
        ContractError: every fault at once; rows for which `outside` holds are one.
    """
    contract.check_schema(arrow_schema(frame))
    required = [column.name for column in contract.columns if column.required]
    required += [column.name for column in contract.optional if column.required and column.name in frame.columns]
    measures = [F.count(F.lit(1)).alias("rows"), F.countDistinct(*contract.key).alias("keys")]
    measures += [F.count_if(F.col(name).isNull()).alias(f"null {name}") for name in required]
    measures += [] if outside is None else [F.count_if(outside).alias("outside")]
    found = frame.agg(*measures).first().asDict()  # type: ignore[union-attr]
    faults = [f"{found[f'null {name}']} nulls in {name}" for name in required if found[f"null {name}"]]
    if not faults and found["keys"] != found["rows"]:
        faults.append(f"{found['rows'] - found['keys']} rows repeat a key ({', '.join(contract.key)})")
    if found.get("outside"):
        faults.append(f"{found['outside']} rows lie outside the days that are replaced")
    if faults:
        raise ContractError(f"table {contract.name} breaks its contract: {'; '.join(faults)}. Nothing was written.")
    return int(found["rows"])


def content_fingerprint(frame: DataFrame) -> str:
    """Rows and a hash of the frame's content, whatever the order and the partitions of its rows.

    Only columns that Spark can hash: no maps.
    """
    found = frame.agg(*_sums(frame)).first()
    assert found is not None
    return _fingerprint(found["rows"], int(found["sum"] or 0))


def growing_fingerprints(frame: DataFrame, day: str) -> dict[str, str]:
    """`content_fingerprint` of the rows up to each day, without the column that names the day; oldest first."""
    rows, total, found = 0, 0, {}
    for row in frame.groupBy(day).agg(*_sums(frame.drop(day))).orderBy(day).collect():
        rows, total = rows + row["rows"], total + int(row["sum"])
        found[str(row[day])] = _fingerprint(rows, total)
    return found


def _sums(frame: DataFrame) -> list[Column]:
    parts = [part for field in frame.schema for part in _hashed(F.col(f"`{field.name}`"), field.dataType)]
    hashed = F.xxhash64(*parts).cast("decimal(38,0)")
    return [F.count(F.lit(1)).alias("rows"), F.sum(hashed).alias("sum")]


def _fingerprint(rows: int, total: int) -> str:
    return f"{rows}-{total % 2**64:016x}"


def _hashed(column: Column, kind: DataType) -> list[Column]:
    """What is hashed of a value: Spark's hash passes over nulls and over the bounds of arrays, so both stand beside it.

    Where in an array a null stands is not seen: no contract has nulls there.
    """
    if not isinstance(kind, ArrayType):
        return [column.isNull(), column]
    inner = [F.transform(column, F.size)] if isinstance(kind.elementType, ArrayType) else []
    return [F.coalesce(F.size(column), F.lit(-1)), *inner, column]
