"""A small source that the tests of the Spark rooms share, and behaviours as ingest would have written them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.config import IngestSection
from mind.source import RefuseRule, Source, SourceColumns
from mind.tables import names as n

FIRST, LAST = date(2024, 1, 1), date(2024, 12, 31)
START = datetime(2024, 3, 1, 9, tzinfo=UTC)


def source(**changes: Any) -> Source:
    """Raw columns: who, what, kind, at, amount, colour, size, country, note."""
    given: dict[str, Any] = {
        "name": "shop",
        "description": "a shop that exists in tests",
        "format": "parquet",
        "path": "nowhere",
        "time_zone": "UTC",
        "columns": SourceColumns(user_id="who", item_id="what", event_type="kind", event_time="at", quantity="amount"),
        "positive_events": ("buy",),
        "cancelling_events": ("return",),
        "item_attributes": {"name": "note"},
        "item_features": {"colour": "colour", "size": "size"},
        "user_features": {"country": "country"},
    }
    return Source(**{**given, **changes})


def rule(reason: str, where: str, bad: bool = False) -> RefuseRule:
    return RefuseRule(reason=reason, where=where, bad=bad)


def section(**changes: Any) -> IngestSection:
    given: dict[str, Any] = {"source": "shop", "path": "", "watermark": "", "look_back_days": 400, "bad_row_limit": 1.0}
    return IngestSection(**{**given, **changes})


def raw_row(**changes: Any) -> dict[str, Any]:
    """A row that every rule accepts."""
    given = {
        "who": "ann",
        "what": "tea",
        "kind": "buy",
        "at": "2024-03-01 10:00:00",
        "amount": "1",
        "colour": "red",
        "size": None,
        "country": "France",
        "note": "Tea",
    }
    return given | changes


RAW = pa.schema([pa.field(name, pa.string()) for name in raw_row()])


def raw_frame(spark: SparkSession, rows: list[dict[str, Any]], file: str = "log.parquet") -> DataFrame:
    """Rows of text as `read_raw_log` gives them."""
    return spark.createDataFrame(pa.Table.from_pylist(rows, schema=RAW)).withColumn(n.SOURCE_FILE, F.lit(file))


def behaviour(number: int, user: str, item: str, minutes: float, **changes: Any) -> dict[str, Any]:
    """An accepted event, `minutes` after the start; `number` makes its id, so it breaks ties as ids do."""
    when = START + timedelta(minutes=minutes)
    return {
        n.EVENT_ID: f"{number:06d}",
        n.USER_ID: user,
        n.ITEM_ID: item,
        n.EVENT_TYPE: "buy",
        n.EVENT_TIME: when,
        n.EVENT_DAY: when.date(),
        n.QUANTITY: 1.0,
        n.ITEM_ATTRIBUTES: {"name": None},
        n.ITEM_VALUES: {"colour": None, "size": None},
        n.USER_VALUES: {"country": None},
        n.SOURCE: "shop",
        **changes,
    }
