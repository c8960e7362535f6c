"""What a user had done before a moment: one definition, used for training tuples and for serving.

A user's behaviours are ordered by event time, then item id, then event id. A history at `as_of` holds the most recent L
behaviours **strictly before** `as_of`, oldest first; behaviours of the same instant are never in each other's history.
The profile is the one that the last of these behaviours gives.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from mind.features.vocabulary import MISSING, encode, profile_features
from mind.source import Source
from mind.tables import names as n

EVENTS = "events"
BEFORE = "before"

_ORDER = (n.EVENT_TIME, n.ITEM_ID, n.EVENT_ID)


def user_sequences(
    standing: DataFrame,
    items: DataFrame,
    vocabulary: DataFrame,
    source: Source,
    most_recent: int | None = None,
) -> DataFrame:
    """One row per user: `events`, the ordered behaviours on `items`, each with its codes, profile and `before`.

    `before` is the number of the user's events strictly earlier in time. `most_recent` keeps only the last so many
    events of a user (serving needs no more), before anything is collected into an array.
    """
    events = standing.join(items.select(n.ITEM_ID, n.ITEM_INDEX, n.ITEM_CODES), n.ITEM_ID)
    events = encode(events, n.USER_VALUES, profile_features(source), vocabulary, n.PROFILE)
    if most_recent is not None:
        latest = Window.partitionBy(n.USER_ID).orderBy(*[F.col(name).desc() for name in _ORDER])
        events = events.withColumn("age", F.row_number().over(latest)).where(F.col("age") <= most_recent)
    earlier = F.rank().over(Window.partitionBy(n.USER_ID).orderBy(n.EVENT_TIME)) - 1
    event = F.struct(*_ORDER, n.EVENT_DAY, n.ITEM_INDEX, n.ITEM_CODES, n.PROFILE, earlier.alias(BEFORE))
    return (
        events.select(n.USER_ID, event.alias("event"))
        .groupBy(n.USER_ID)
        .agg(F.array_sort(F.collect_list("event")).alias(EVENTS))
    )


def history_columns(before: Column, length: int) -> dict[str, Column]:
    """History, its length and the profile after the first `before` (at least 1) of a user's `events`."""
    count = F.least(before, F.lit(length))
    recent = F.slice(F.col(EVENTS)[n.ITEM_INDEX], before - count + 1, count)
    padding = F.array_repeat(F.lit(MISSING), F.lit(length) - count)
    return {
        n.HISTORY: F.concat(recent, padding),
        n.HISTORY_LENGTH: count,
        n.PROFILE: F.element_at(EVENTS, before)[n.PROFILE],
    }


def histories_at_end(sequences: DataFrame, length: int) -> DataFrame:
    """One row per user: the history after the last of its events."""
    columns = history_columns(F.size(EVENTS), length)
    return sequences.select(n.USER_ID, *[column.alias(name) for name, column in columns.items()])
