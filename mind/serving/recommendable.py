"""Which items no list of a night may hold, whoever the user is, and why."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.behaviours.days import last_days
from mind.errors import MindError
from mind.recommending import RetrievalSection
from mind.storage.item_lists import read_item_list
from mind.tables import names as n

WHY = "why"
BLOCKED = "blocked"
NOT_ALLOWED = "not on the allow-list"
INACTIVE = "inactive"


def left_out(spark: SparkSession, items: DataFrame, ds: date, zone: str, section: RetrievalSection) -> DataFrame:
    """(item_id, why) of the items that may not be recommended in the night of `ds`: the first of the reasons that hold.

    Args:
        items: the items of the night.
        zone: time zone in which `ds` is a day.

    Raises:
        BadInput: a list cannot be read.
    """
    reasons = items.select(n.ITEM_ID, F.lit(None).cast("string").alias(WHY), n.LAST_SEEN)
    ids = items.select(n.ITEM_ID)
    if section.blocklist:
        blocked = read_item_list(spark, section.blocklist, ids, "retrieval.blocklist")
        told = F.concat(F.lit(BLOCKED), F.coalesce(F.concat(F.lit(": "), n.REASON), F.lit("")))
        blocked = blocked.select(n.ITEM_ID, told.alias("blocked"))
        reasons = reasons.join(blocked, n.ITEM_ID, "left").withColumn(WHY, F.coalesce(WHY, "blocked"))
    if section.allowlist:
        allowed = read_item_list(spark, section.allowlist, ids, "retrieval.allowlist")
        allowed = allowed.select(n.ITEM_ID, F.lit(True).alias("allowed"))
        absent = F.when(F.col("allowed").isNull(), F.lit(NOT_ALLOWED))
        reasons = reasons.join(allowed, n.ITEM_ID, "left").withColumn(WHY, F.coalesce(F.col(WHY), absent))
    if section.inactive_days:
        first, _ = last_days(ds, section.inactive_days)
        last_day = F.to_date(F.from_utc_timestamp(n.LAST_SEEN, zone))
        told = F.concat(F.lit(f"{INACTIVE}: last behaviour on "), last_day.cast("string"))
        reasons = reasons.withColumn(WHY, F.coalesce(F.col(WHY), F.when(last_day < F.lit(first), told)))
    return reasons.where(F.col(WHY).isNotNull()).select(n.ITEM_ID, WHY)


def recommendable(vectors: DataFrame, out: DataFrame) -> DataFrame:
    """The rows of item_vectors (or of items, where no model serves) that a list may hold.

    Raises:
        MindError: there is none.
    """
    kept = vectors.join(out.select(n.ITEM_ID), n.ITEM_ID, "left_anti")
    if kept.isEmpty():
        raise MindError(
            "no item may be recommended: retrieval.blocklist, allowlist and inactive_days leave none of the night's "
            "items; change one of them"
        )
    return kept
