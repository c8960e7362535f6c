"""The record of what readers see: one row a publish, a rollback or a deletion."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import date

from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

from mind.publishing.gates import Gate, as_rows
from mind.tables import names as n

log = logging.getLogger("mind")

PUBLISH = "publish"
ROLLBACK = "rollback"
FORGET = "forget"

NEWEST_LAST = (n.TABLE_VERSION, n.PUBLISHED_AT)


def last_publication(publications: DataFrame) -> DataFrame:
    """The row that was written last, or none."""
    return publications.orderBy(*[F.desc(name) for name in NEWEST_LAST]).limit(1)


def in_order(publications: DataFrame) -> list[Row]:
    """The rows, the one that was written last at the end."""
    return publications.orderBy(*NEWEST_LAST).collect()


def night_before(publications: DataFrame, candidates: DataFrame, ds: date) -> DataFrame | None:
    """The lists of the latest published night before `ds` that readers still see; None where there is none."""
    earlier = candidates.where(F.col(n.DS) < F.lit(ds)).join(publications.select(n.DS).distinct(), n.DS, "left_semi")
    night = earlier.agg(F.max(n.DS).alias("night")).first()
    if night is None or night["night"] is None:
        return None
    return candidates.where(F.col(n.DS) == F.lit(night["night"]))


def is_published(publications: DataFrame, ds: date, content: str) -> bool:
    """Whether readers of `ds` see exactly this content already: a step that is run again then has nothing to do."""
    of_day = last_publication(publications.where(F.col(n.DS) == F.lit(ds)))
    same = not of_day.where(F.col(n.CONTENT) == content).isEmpty()
    if same:
        log.info("readers of %s see exactly these lists already", ds)
    return same


def new_publication(
    held: DataFrame,
    ds: date,
    content: str,
    table_version: int,
    model_version: str,
    gates: str,
    action: str = PUBLISH,
) -> DataFrame:
    """The row to add for a night that was just committed; it names the publication that readers saw before.

    `gates` are the verdicts as JSON (`as_json`).
    """
    before = last_publication(held).select(F.col(n.PUBLICATION_ID).alias(n.REPLACES))
    number = held.where(F.col(n.DS) == F.lit(ds)).count() + 1
    row = held.sparkSession.range(1).select(
        F.lit(f"{ds}/{number}/{content}").alias(n.PUBLICATION_ID),
        F.lit(ds).alias(n.DS),
        F.lit(action).alias(n.ACTION),
        F.lit(content).alias(n.CONTENT),
        F.lit(table_version).cast("long").alias(n.TABLE_VERSION),
        F.lit(gates).alias(n.GATES),
        F.lit(model_version).alias(n.MODEL_VERSION),
        F.current_timestamp().alias(n.PUBLISHED_AT),
    )
    return row.join(before, F.lit(True), "left")


def deletions(held: DataFrame, left: Mapping[date, str], table_version: int) -> DataFrame:
    """The rows to add after a person was deleted: for each night the content that is left of its last publication."""
    nights = held.sparkSession.createDataFrame(list(left.items()), f"{n.DS} date, {n.CONTENT} string")
    last = Window.partitionBy(n.DS).orderBy(*[F.desc(name) for name in NEWEST_LAST])
    counted = held.withColumn("place", F.row_number().over(last)).withColumn(
        "number", F.count(F.lit(1)).over(Window.partitionBy(n.DS)) + 1
    )
    seen = counted.where("place = 1").select(
        n.DS, "number", n.GATES, n.MODEL_VERSION, F.col(n.PUBLICATION_ID).alias(n.REPLACES)
    )
    return nights.join(seen, n.DS).select(
        F.concat_ws("/", F.col(n.DS).cast("string"), F.col("number").cast("string"), n.CONTENT).alias(n.PUBLICATION_ID),
        n.DS,
        F.lit(FORGET).alias(n.ACTION),
        n.CONTENT,
        F.lit(table_version).cast("long").alias(n.TABLE_VERSION),
        n.REPLACES,
        n.GATES,
        n.MODEL_VERSION,
        F.current_timestamp().alias(n.PUBLISHED_AT),
    )


def as_json(gates: list[Gate]) -> str:
    """The verdicts as they are kept with the publication."""
    return json.dumps(as_rows(gates))
