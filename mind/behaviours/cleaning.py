"""Rows that are well formed and yet no behaviours: copies, the same event told twice, users who are no customers."""

from __future__ import annotations

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from mind.errors import BadInput, first_line
from mind.source import Source
from mind.tables import names as n

DUPLICATE = "duplicate"
SAME_EVENT = "same_event"

_RULE = "rule"


def without_copies(events: DataFrame, source: Source) -> DataFrame:
    """`events` with `copy`, and with a reason for every row that was accepted and should not have been.

    Copies of an equal raw row come first, then the users that `refuse_users` describes, then the same event told
    twice: a rule about users must not see a row twice, and must see what a robot says again and again.

    Raises:
        BadInput: an expression of the source description does not fit the accepted rows.
    """
    # Equal rows can differ in one thing, the day of their file: the one that came at its time counts.
    copies = Window.partitionBy(n.EVENT_ID).orderBy(F.col(n.REASON).isNotNull(), n.SOURCE_FILE)
    events = events.withColumn(n.COPY, F.row_number().over(copies))
    repeated = F.when(F.col(n.COPY) > 1, F.lit(DUPLICATE))
    events = events.withColumn(n.REASON, F.coalesce(n.REASON, repeated))
    try:
        return _told_once(_of_customers(events, source), source)
    except PySparkException as error:
        raise BadInput(
            f"source {source.name}: refuse_users or same_event does not fit the accepted rows: "
            f"{first_line(error)} Mend conf/sources/{source.name}.toml."
        ) from error


def _of_customers(events: DataFrame, source: Source) -> DataFrame:
    """The same rows; those of a user on a day when a rule of `refuse_users` holds are refused, by the first that does.

    A rule sees one day at a time, so that a backfill refuses what the night itself refused.
    """
    if not source.refuse_users:
        return events
    rules = [F.when(F.expr(rule.where), F.lit(rule.reason)) for rule in source.refuse_users]
    accepted = events.where(F.col(n.REASON).isNull())
    judged = accepted.groupBy(n.USER_ID, n.EVENT_DAY).agg(F.coalesce(*rules).alias(_RULE))
    refused = judged.where(F.col(_RULE).isNotNull())
    with_rule = events.join(refused, [n.USER_ID, n.EVENT_DAY], "left")
    return with_rule.withColumn(n.REASON, F.coalesce(n.REASON, _RULE)).drop(_RULE)


def _told_once(events: DataFrame, source: Source) -> DataFrame:
    """The same rows; of accepted ones of a day equal in all of `same_event` the one with the least event id stays."""
    if not source.same_event:
        return events
    same = [F.col(n.REASON).isNull(), F.col(n.EVENT_DAY), *[F.expr(sql) for sql in source.same_event]]
    place = F.row_number().over(Window.partitionBy(*same).orderBy(n.EVENT_ID, n.COPY))
    again = F.when(place > 1, F.lit(SAME_EVENT))
    return events.withColumn(n.REASON, F.coalesce(n.REASON, again))
