"""Positive behaviours that still stand: those that no later cancellation undid."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from mind.config import Source
from mind.tables import names as n

_ORDER = (n.EVENT_TIME, "undoes", n.EVENT_ID)


def standing(behaviours: DataFrame, source: Source) -> DataFrame:
    """The positive behaviours, without those that were undone.

    A cancellation undoes the latest earlier purchase of the same user, item and quantity that no other cancellation
    undid: pairs nest like brackets. A purchase opens at the depth it reaches, a cancellation closes the depth it
    leaves, and a purchase is undone if the next event at its depth is a cancellation. A cancellation at depth 0
    undoes nothing (its purchase is older than the log, or had another quantity).

    What is known is what the frame holds: pass the events before `as_of`.
    """
    positive = F.col(n.EVENT_TYPE).isin(*source.positive_events)
    if not source.cancelling_events:
        return behaviours.where(positive)
    line = [n.USER_ID, n.ITEM_ID, n.QUANTITY]
    events = behaviours.withColumn("undoes", F.col(n.EVENT_TYPE).isin(*source.cancelling_events))
    events = events.where(positive | F.col("undoes"))
    so_far = Window.partitionBy(*line).orderBy(*_ORDER).rowsBetween(Window.unboundedPreceding, 0)
    step = F.when(F.col("undoes"), -1).otherwise(1)
    events = events.withColumn("sum", F.sum(step).over(so_far))
    # Cancellations without a purchase push the sum below zero; the lowest point so far is the ground.
    ground = F.least(F.lit(0), F.min("sum").over(so_far))
    before = Window.partitionBy(*line).orderBy(*_ORDER)
    events = events.withColumn("depth", F.col("sum") - ground)
    left = F.coalesce(F.lag("depth").over(before), F.lit(0))
    events = events.withColumn("level", F.when(F.col("undoes"), left).otherwise(F.col("depth")))
    next_at_level = F.lead("undoes").over(Window.partitionBy(*line, "level").orderBy(*_ORDER))
    events = events.withColumn("undone", F.coalesce(next_at_level, F.lit(False)))
    return events.where(~F.col("undoes") & ~F.col("undone")).select(*behaviours.columns)
