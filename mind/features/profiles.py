"""What was known of a user at a moment, where the file about users says from when on each of its rows is known.

A row is known to whatever is strictly later than its moment: the same rule as for histories, and the same function for
training tuples (the target's time), for serving and for `users` (the end of `ds`).

Shapes: m rows of a user, P profile features, of which some come from the file and the others from the log.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from mind.features.vocabulary import MISSING, encode, profile_features
from mind.source import Source
from mind.tables import names as n

MOMENTS = "moments"
DATED = "dated"


def dated_profiles(profiles: DataFrame, vocabulary: DataFrame, source: Source) -> DataFrame:
    """One row per user: the moments of its rows as `moments` [m], oldest first, and for each feature of the file, at
    its place p among the P, its codes as `dated p` [m].

    profiles: (user_id, known_from, user_values), one row per user and moment.
    """
    features, everything = tuple(source.dated_features), profile_features(source)
    coded = encode(profiles, n.USER_VALUES, features, vocabulary, n.PROFILE)
    # As in `user_sequences`: rows arrive in the order of their moments and stay in it, since nothing lies between this
    # sort and the arrays.
    rows = coded.select(n.USER_ID, n.KNOWN_FROM, n.PROFILE).repartition(n.USER_ID)
    rows = rows.sortWithinPartitions(n.USER_ID, n.KNOWN_FROM)
    lists = [F.collect_list(n.KNOWN_FROM).alias(MOMENTS)]
    for number, name in enumerate(features):
        lists.append(F.collect_list(F.col(n.PROFILE)[number]).alias(f"{DATED} {everything.index(name)}"))
    return rows.groupBy(n.USER_ID).agg(*lists)


def with_dated_profiles(
    users: DataFrame, profiles: DataFrame | None, vocabulary: DataFrame, source: Source
) -> DataFrame:
    """The rows of users, each with the columns of `dated_profiles` (null where the file says nothing of it).

    Without `profiles` the rows as they are.
    """
    if profiles is None:
        return users
    # Told to hash the profiles of a partition: joining by sorting would sort the users' long arrays once more.
    return users.join(dated_profiles(profiles, vocabulary, source).hint("shuffle_hash"), n.USER_ID, "left")


def dated_columns(frame: DataFrame) -> list[str]:
    """The columns that `with_dated_profiles` added."""
    return [name for name in frame.columns if name == MOMENTS or name.startswith(f"{DATED} ")]


def profile_codes(frame: DataFrame, of_log: dict[int, Column], as_of: Column) -> Column:
    """The profile [P] at a moment: what the file said strictly before it, 0 where it said nothing yet, and `of_log`,
    the codes of the other features by their places."""
    dated = [name for name in dated_columns(frame) if name != MOMENTS]
    codes = of_log | {int(name.removeprefix(DATED)): _known_at(name, as_of) for name in dated}
    return F.array(*[codes[place] for place in sorted(codes)]).cast("array<int>")


def _known_at(codes: str, as_of: Column) -> Column:
    known = F.size(F.filter(MOMENTS, lambda moment: moment < as_of))
    return F.coalesce(F.get(F.col(codes), known - 1), F.lit(MISSING))
