"""External values to dense indexes: append-only, 0 is padding, 1 is unknown, from 2 upwards."""

from __future__ import annotations

import logging
from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from mind.errors import BadInput
from mind.source import Source
from mind.tables import names as n

MISSING = 0
UNKNOWN = 1
FIRST = 2
ITEM = n.ITEM_ID
"""The name under which item ids stand in the vocabulary; item features and profile features stand beside it."""
RECENT = "recent"

log = logging.getLogger("mind")


def item_features(source: Source) -> tuple[str, ...]:
    """The parts of Fi, in the order of `item_codes`: the item itself first."""
    return (ITEM, *source.item_features)


def profile_features(source: Source) -> tuple[str, ...]:
    """The parts of Pu, in the order of `profile`."""
    return tuple(source.user_features)


def all_features(source: Source) -> tuple[str, ...]:
    """Every feature that has its own indexes: the parts of Fi, then of Pu."""
    return (*item_features(source), *profile_features(source))


def observed_values(
    standing: DataFrame, behaviours: DataFrame, since: date, profiles: DataFrame | None = None, time_zone: str = "UTC"
) -> DataFrame:
    """(feature, value, behaviours, recent): item features as standing behaviours give them, profile as every event
    does; recent are the behaviours from `since` on.

    Values of a file with moments are counted once for each row of `profiles`, of the day of its moment in `time_zone`.
    """
    day = F.col(n.EVENT_DAY)
    items = standing.select(F.lit(ITEM).alias(n.FEATURE), F.col(n.ITEM_ID).alias(n.VALUE), day)
    item_values = standing.select(F.explode(n.ITEM_VALUES).alias(n.FEATURE, n.VALUE), day)
    user_values = behaviours.select(F.explode(n.USER_VALUES).alias(n.FEATURE, n.VALUE), day)
    every = items.unionByName(item_values).unionByName(user_values)
    if profiles is not None:
        known_on = F.to_date(F.from_utc_timestamp(n.KNOWN_FROM, time_zone)).alias(n.EVENT_DAY)
        every = every.unionByName(profiles.select(F.explode(n.USER_VALUES).alias(n.FEATURE, n.VALUE), known_on))
    every = every.where(F.col(n.VALUE).isNotNull())
    counts = [F.count(F.lit(1)).alias(n.BEHAVIOURS), F.count_if(day >= F.lit(since)).alias(RECENT)]
    return every.groupBy(n.FEATURE, n.VALUE).agg(*counts)


def check_known(observed: DataFrame, held: DataFrame, minimum_count: int, limit: float) -> dict[str, float]:
    """The share of each feature's recent values that get no index; where nothing is recent a feature is left out.

    Raises:
        BadInput: a share is above `limit`.
    """
    marked = observed.where(F.col(RECENT) > 0).join(
        held.select(n.FEATURE, n.VALUE, F.lit(True).alias("held")), [n.FEATURE, n.VALUE], "left"
    )
    absent = F.col("held").isNull() & (F.col(n.BEHAVIOURS) < minimum_count)
    unknown = F.sum(F.when(absent, F.col(RECENT)).otherwise(0)).alias("unknown")
    rows = marked.groupBy(n.FEATURE).agg(unknown, F.sum(RECENT).alias("all")).orderBy(n.FEATURE).collect()
    shares = {row[n.FEATURE]: row["unknown"] / row["all"] for row in rows}
    told = [f"{row[n.FEATURE]} {row['unknown']:,} of {row['all']:,}" for row in rows if row["unknown"]]
    log.info("values of the days looked back on that get no index: %s", ", ".join(told) or "none")
    above = [f"{name} {share:.3g}" for name, share in shares.items() if share > limit]
    if above:
        raise BadInput(
            f"the share of values without an index is above vocabulary.maximum_unknown_share {limit:g}: "
            f"{', '.join(above)}. Nothing was written. Mend the feature in conf/sources (a value that does not come "
            "again tells a model nothing), or lower vocabulary.minimum_count, or raise the limit."
        )
    return shares


def new_entries(observed: DataFrame, held: DataFrame, minimum_count: int, ds: date) -> DataFrame:
    """Rows to append: values seen often enough and not held yet, numbered in their own order after the held ones."""
    absent = observed.where(F.col(n.BEHAVIOURS) >= minimum_count).join(held, [n.FEATURE, n.VALUE], "left_anti")
    last = held.groupBy(n.FEATURE).agg(F.max(n.INDEX).alias("last"))
    place = F.row_number().over(Window.partitionBy(n.FEATURE).orderBy(n.VALUE))
    # The few values that are new on a night are numbered in one task per feature; the held ones are never sorted.
    return absent.join(last, n.FEATURE, "left").select(
        n.FEATURE,
        n.VALUE,
        (F.coalesce("last", F.lit(FIRST - 1)) + place).cast("int").alias(n.INDEX),
        F.lit(ds).alias(n.ADDED_DS),
    )


def sizes(vocabulary: DataFrame, features: tuple[str, ...]) -> dict[str, int]:
    """Rows of each feature's embedding table: one above the largest index, at least 2 (padding and unknown)."""
    rows = vocabulary.groupBy(n.FEATURE).agg(F.max(n.INDEX).alias("last")).collect()
    last = {row[n.FEATURE]: row["last"] for row in rows}
    return {feature: last.get(feature, UNKNOWN) + 1 for feature in features}


def entries_below(vocabulary: DataFrame, of_sizes: dict[str, int], *more: str) -> DataFrame:
    """(feature, value, index) of the entries below the given sizes, and what `more` names.

    A vocabulary that has only grown since has the same entries below the same sizes, so a model still fits it; its
    fingerprint is that of these rows.
    """
    below = F.lit(False)
    for feature, size in sorted(of_sizes.items()):
        below = below | ((F.col(n.FEATURE) == feature) & (F.col(n.INDEX) < size))
    return vocabulary.where(below).select(n.FEATURE, n.VALUE, n.INDEX, *more)


def encode(frame: DataFrame, values: str, features: tuple[str, ...], vocabulary: DataFrame, into: str) -> DataFrame:
    """Add `into`: the dense index of each feature in the map column `values`; 0 missing, 1 not in the vocabulary."""
    coded = frame
    for feature in features:
        entries = vocabulary.where(F.col(n.FEATURE) == feature)
        entries = entries.select(F.col(n.VALUE).alias("entry"), F.col(n.INDEX).alias(f"code {feature}"))
        given = F.col(values)[feature]
        coded = coded.join(entries, given == F.col("entry"), "left").drop("entry")
        code = F.when(given.isNull(), F.lit(MISSING)).otherwise(F.coalesce(f"code {feature}", F.lit(UNKNOWN)))
        coded = coded.withColumn(f"code {feature}", code)
    codes = F.array(*[F.col(f"code {feature}") for feature in features]) if features else F.array()
    return coded.withColumn(into, codes.cast("array<int>")).drop(*[f"code {feature}" for feature in features])
