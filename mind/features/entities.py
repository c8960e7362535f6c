"""Items and users as known at the end of a day."""

from __future__ import annotations

from datetime import date, datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from mind.features.profiles import profile_codes, with_dated_profiles
from mind.features.vocabulary import ITEM, UNKNOWN, encode, item_features, profile_features
from mind.source import Source
from mind.tables import names as n


def items_as_of(standing: DataFrame, vocabulary: DataFrame, source: Source, ds: date) -> DataFrame:
    """One row per item with a standing behaviour: its latest known values, encoded, and its latest words."""
    values = [_latest(n.ITEM_VALUES, feature) for feature in source.item_features]
    words = [_latest(n.ITEM_ATTRIBUTES, name) for name in source.item_attributes]
    grouped = standing.groupBy(n.ITEM_ID).agg(
        F.count(F.lit(1)).alias(n.BEHAVIOURS),
        F.min(n.EVENT_TIME).alias(n.FIRST_SEEN),
        F.max(n.EVENT_TIME).alias(n.LAST_SEEN),
        *[column.alias(f"value {name}") for name, column in zip(source.item_features, values, strict=True)],
        *[column.alias(f"word {name}") for name, column in zip(source.item_attributes, words, strict=True)],
    )
    known = {ITEM: F.col(n.ITEM_ID)} | {name: F.col(f"value {name}") for name in source.item_features}
    grouped = grouped.withColumn("known", _map(known))
    grouped = grouped.withColumn(
        n.ITEM_ATTRIBUTES, _map({name: F.col(f"word {name}") for name in source.item_attributes})
    )
    coded = encode(grouped, "known", item_features(source), vocabulary, n.ITEM_CODES)
    return coded.withColumn(n.ITEM_INDEX, F.col(n.ITEM_CODES)[0]).withColumn(n.DS, F.lit(ds))


def users_as_of(
    behaviours: DataFrame,
    standing: DataFrame,
    vocabulary: DataFrame,
    source: Source,
    ds: date,
    profiles: DataFrame | None = None,
    as_of: datetime | None = None,
) -> DataFrame:
    """One row per user with an accepted event: the profile that the latest event gives, encoded; features of
    `profiles`, what a file with moments says, are as known at `as_of`, the end of `ds`."""
    counted = standing.groupBy(n.USER_ID).agg(F.count(F.lit(1)).alias("stand"))
    moment = F.struct(n.EVENT_TIME, n.ITEM_ID, n.EVENT_ID)
    grouped = behaviours.groupBy(n.USER_ID).agg(
        F.max_by(n.USER_VALUES, moment).alias("known"),
        F.min(n.EVENT_TIME).alias(n.FIRST_SEEN),
        F.max(n.EVENT_TIME).alias(n.LAST_SEEN),
    )
    grouped = grouped.join(counted, n.USER_ID, "left").withColumn(
        n.BEHAVIOURS, F.coalesce("stand", F.lit(0).cast("long"))
    )
    users = encode(grouped, "known", profile_features(source), vocabulary, n.PROFILE).withColumn(n.DS, F.lit(ds))
    if profiles is None:
        return users
    users = with_dated_profiles(users, profiles, vocabulary, source)
    places = {place: F.col(n.PROFILE)[place] for place in range(len(profile_features(source)))}
    return users.withColumn(n.PROFILE, profile_codes(users, places, F.lit(as_of)))


def known_items(items: DataFrame, vocabulary_size: int | None = None) -> DataFrame:
    """Items with a dense index; with `vocabulary_size`, those that a model of that size knows."""
    known = items.where(F.col(n.ITEM_INDEX) > UNKNOWN)
    return known if vocabulary_size is None else known.where(F.col(n.ITEM_INDEX) < vocabulary_size)


def _latest(values: str, name: str) -> Column:
    """The value given by the latest event that gives one; ties in time go to the greater value."""
    given = F.col(values)[name]
    return F.max_by(given, F.when(given.isNotNull(), F.struct(F.col(n.EVENT_TIME), given)))


def _map(columns: dict[str, Column]) -> Column:
    pairs = [(F.lit(name), column) for name, column in columns.items()]
    return F.create_map(*[column for pair in pairs for column in pair]).cast("map<string,string>")
