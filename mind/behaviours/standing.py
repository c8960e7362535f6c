"""Positive behaviours, and which of them a later cancellation undid, and when."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from mind.source import Source
from mind.tables import names as n

_UNDOES = "undoes"
_LINE = [n.USER_ID, n.ITEM_ID, n.QUANTITY]
"""What a cancellation must share with its purchase."""
_ORDER = (n.EVENT_TIME, _UNDOES, n.EVENT_ID)


def standing(behaviours: DataFrame, source: Source) -> DataFrame:
    """The positive behaviours, without those that were undone by the end of the frame: pass the events before `as_of`
    for what stood then."""
    return still_standing(with_undoing(behaviours, source))


def still_standing(positive: DataFrame) -> DataFrame:
    """Of the rows of `with_undoing` those that nothing undid, with the columns of behaviours."""
    if n.UNDONE_AT not in positive.columns:
        return positive
    return positive.where(F.col(n.UNDONE_AT).isNull()).drop(n.UNDONE_AT)


def with_undoing(behaviours: DataFrame, source: Source) -> DataFrame:
    """The positive behaviours, with `undone_at` where the source has cancellations: when one undid it, or null.

    A cancellation undoes the latest earlier purchase of the same user, item and quantity that no other cancellation
    undid: pairs nest like brackets. A purchase opens at the depth it reaches, a cancellation closes the depth it
    leaves, and a purchase is undone if the next event at its depth is a cancellation. A cancellation at depth 0
    undoes nothing (its purchase is older than the log, or had another quantity). No later event changes a pair, so what
    stood at any moment is what was not undone before it.
    """
    positive = behaviours.where(F.col(n.EVENT_TYPE).isin(*source.positive_events))
    if not source.cancelling_events:
        return positive
    undoes = F.col(n.EVENT_TYPE).isin(*source.cancelling_events)
    cancelled = behaviours.where(undoes).select(*_LINE).distinct()
    # Few lines of a log are ever cancelled: only those are put in order, without the columns that are not needed.
    wanted = [*source.positive_events, *source.cancelling_events]
    narrow = behaviours.where(F.col(n.EVENT_TYPE).isin(*wanted)).select(
        *_LINE, n.EVENT_TIME, n.EVENT_ID, undoes.alias(_UNDOES)
    )
    return positive.join(_undone(narrow.join(cancelled, _LINE, "left_semi")), n.EVENT_ID, "left").select(
        *behaviours.columns, n.UNDONE_AT
    )


def _undone(events: DataFrame) -> DataFrame:
    """(event_id, undone_at) of the purchases that a cancellation undid."""
    in_order = Window.partitionBy(*_LINE).orderBy(*_ORDER)
    so_far = in_order.rowsBetween(Window.unboundedPreceding, 0)
    events = events.withColumn("sum", F.sum(F.when(F.col(_UNDOES), -1).otherwise(1)).over(so_far))
    # Cancellations without a purchase push the sum below zero; the lowest point so far is the ground.
    ground = F.least(F.lit(0), F.min("sum").over(so_far))
    events = events.withColumn("depth", F.col("sum") - ground)
    left = F.coalesce(F.lag("depth").over(in_order), F.lit(0))
    events = events.withColumn("level", F.when(F.col(_UNDOES), left).otherwise(F.col("depth")))
    at_level = Window.partitionBy(*_LINE, "level").orderBy(*_ORDER)
    undone_at = F.when(F.lead(_UNDOES).over(at_level), F.lead(n.EVENT_TIME).over(at_level))
    events = events.withColumn(n.UNDONE_AT, undone_at)
    return events.where(~F.col(_UNDOES) & F.col(n.UNDONE_AT).isNotNull()).select(n.EVENT_ID, n.UNDONE_AT)
