"""Popularity: how often each item was chosen in a span of days. The floor for every model, and the cold users' list."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from mind.tables import names as n


def item_counts(standing: DataFrame, items: DataFrame, first: date, last: date) -> DataFrame:
    """`items` with `behaviours`: standing behaviours from `first` to `last`, both included; 0 where there are none."""
    inside = standing.where(F.col(n.EVENT_DAY).between(F.lit(first), F.lit(last)))
    counted = inside.groupBy(n.ITEM_ID).agg(F.count(F.lit(1)).alias(n.BEHAVIOURS))
    joined = items.drop(n.BEHAVIOURS).join(counted, n.ITEM_ID, "left")
    return joined.withColumn(n.BEHAVIOURS, F.coalesce(n.BEHAVIOURS, F.lit(0).cast("long")))
