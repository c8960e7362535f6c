"""The record of what readers see: one row a publish."""

from __future__ import annotations

import json
import logging
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from mind.publishing.gates import Gate, as_rows
from mind.tables import names as n

log = logging.getLogger("mind")

PUBLISH = "publish"


def last_publication(publications: DataFrame) -> DataFrame:
    """The row that was written last, or none."""
    return publications.orderBy(F.desc(n.TABLE_VERSION), F.desc(n.PUBLISHED_AT)).limit(1)


def lists_before(publications: DataFrame, candidates: DataFrame, ds: date) -> int | None:
    """Lists in the latest published night before `ds`; None where there is none."""
    night = publications.where(F.col(n.DS) < F.lit(ds)).agg(F.max(n.DS).alias("night")).first()
    if night is None or night["night"] is None:
        return None
    return candidates.where(F.col(n.DS) == F.lit(night["night"])).count()


def is_published(publications: DataFrame, ds: date, content: str) -> bool:
    """Whether readers of `ds` see exactly this content already: a step that is run again then has nothing to do."""
    of_day = last_publication(publications.where(F.col(n.DS) == F.lit(ds)))
    same = not of_day.where(F.col(n.CONTENT) == content).isEmpty()
    if same:
        log.info("readers of %s see exactly these lists already", ds)
    return same


def new_publication(
    held: DataFrame, ds: date, content: str, table_version: int, model_version: str, gates: list[Gate]
) -> DataFrame:
    """The row to add for a night that was just committed; it names the publication that readers saw before."""
    before = last_publication(held).select(F.col(n.PUBLICATION_ID).alias(n.REPLACES))
    number = held.where(F.col(n.DS) == F.lit(ds)).count() + 1
    row = held.sparkSession.range(1).select(
        F.lit(f"{ds}/{number}/{content}").alias(n.PUBLICATION_ID),
        F.lit(ds).alias(n.DS),
        F.lit(PUBLISH).alias(n.ACTION),
        F.lit(content).alias(n.CONTENT),
        F.lit(table_version).cast("long").alias(n.TABLE_VERSION),
        F.lit(json.dumps(as_rows(gates))).alias(n.GATES),
        F.lit(model_version).alias(n.MODEL_VERSION),
        F.current_timestamp().alias(n.PUBLISHED_AT),
    )
    return row.join(before, F.lit(True), "left")
