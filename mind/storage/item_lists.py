"""Blocklists and allow-lists: from a file, a folder or a table of the catalog, by the contract `ITEM_LIST`."""

from __future__ import annotations

import logging
import re

from delta.tables import DeltaTable
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.errors import BadInput, told_by_spark
from mind.storage.audit import promised_columns
from mind.tables import names as n
from mind.tables.item_lists import ITEM_LIST

log = logging.getLogger("mind")

_TABLE = re.compile(r"^\w+(\.\w+){1,2}$")
_ENDINGS = ("csv", "parquet", "json")
_SHOWN = 5


def read_item_list(spark: SparkSession, place: str, items: DataFrame, key: str) -> DataFrame:
    """(item_id, reason) of a list, each item once; what is wrong with the list is told in the log.

    Args:
        place: a file or folder that ends in .csv (with a header), .parquet or .json (a row a line), the folder of a
            Delta table, or a table as schema.table or catalog.schema.table.
        items: (item_id), the items known; ids that are not among them are reported, and change nothing.
        key: the key of the configuration that names the place, for messages.

    Raises:
        BadInput: there is no such file or table, or it has no text or number named item_id.
    """
    try:
        frame = _open(spark, place)
        if n.ITEM_ID not in frame.columns:
            raise BadInput(f"{key}: {place} has columns {', '.join(frame.columns)}; one must be {n.ITEM_ID}")
        reason = F.col(n.REASON) if n.REASON in frame.columns else F.lit(None)
        named = frame.select(F.col(n.ITEM_ID).cast("string"), reason.cast("string").alias(n.REASON)).persist()
        named.count()
    except PySparkException as error:
        raise BadInput(
            f"{key}: {place} cannot be read: {told_by_spark(error) or error}. Give a file or folder that ends in "
            f".{', .'.join(_ENDINGS)}, the folder of a Delta table, or schema.table"
        ) from error
    good = named.where(F.trim(n.ITEM_ID) != "").groupBy(n.ITEM_ID).agg(F.min(n.REASON).alias(n.REASON))
    _report(named, good, items, place, key)
    return promised_columns(ITEM_LIST, good)


def _open(spark: SparkSession, place: str) -> DataFrame:
    if _TABLE.match(place) and place.rpartition(".")[2] not in _ENDINGS:
        return spark.read.table(place)
    ending = place.rstrip("/").rpartition(".")[2]
    if ending not in _ENDINGS and DeltaTable.isDeltaTable(spark, place):
        return spark.read.format("delta").load(place)
    options = {"header": "true"} if ending == "csv" else {}
    return spark.read.format(ending if ending in _ENDINGS else "parquet").options(**options).load(place)


def _report(named: DataFrame, good: DataFrame, items: DataFrame, place: str, key: str) -> None:
    unknown = good.join(items, n.ITEM_ID, "left_anti")
    counted = named.agg(
        F.count(F.lit(1)).alias("rows"),
        F.count_if(F.coalesce(F.trim(n.ITEM_ID), F.lit("")) == "").alias("empty"),
        F.countDistinct(F.when(F.trim(n.ITEM_ID) != "", F.col(n.ITEM_ID))).alias("ids"),
    ).first()
    assert counted is not None
    first = [row[n.ITEM_ID] for row in unknown.select(n.ITEM_ID).orderBy(n.ITEM_ID).limit(_SHOWN + 1).collect()]
    log.info("%s: %s items named in %s", key, f"{counted['ids']:,}", place)
    if counted["empty"]:
        log.warning("%s: %s rows of %s have no %s; they are left out", key, counted["empty"], place, n.ITEM_ID)
    if repeated := counted["rows"] - counted["empty"] - counted["ids"]:
        log.warning("%s: %s rows of %s name an item again", key, repeated, place)
    if first:
        names = ", ".join(repr(item) for item in first[:_SHOWN]) + (" and others" if len(first) > _SHOWN else "")
        log.warning(
            "%s: %s names items that no night knows yet, or whose ids are written otherwise: %s", key, place, names
        )
