"""What a user had done before a moment: one definition, used for training tuples and for serving.

A user's behaviours are ordered by event time, then item id; of one moment and item the one with the greater profile
codes is the later. A history at `as_of` holds the most recent L behaviours **strictly before** `as_of`, oldest first,
and of those none that was cancelled strictly before `as_of`; behaviours of the same instant are never in each other's
history. The profile is the one that the last of these behaviours gives; features of a file whose rows have moments are
as `mind/features/profiles.py` has them, at `as_of`.

Shapes: n events of a user, L history length, P profile features.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from mind.features.ages import age_bucket
from mind.features.profiles import dated_columns, profile_codes, with_dated_profiles
from mind.features.vocabulary import MISSING, encode, profile_features
from mind.source import Source
from mind.tables import names as n

NEEDED = (n.EVENT_ID, n.USER_ID, n.ITEM_ID, n.EVENT_TYPE, n.EVENT_TIME, n.EVENT_DAY, n.QUANTITY, n.USER_VALUES)
"""Columns of behaviours that histories, profiles and targets are made of: what is cached or read need hold no more."""

ITEMS = "items"
TIMES = "times"
PROFILES = "profiles"
TARGETS = "targets"
EVERY = "every"
SPANS = "spans"
CANCELLED = "cancelled"
_BEFORE = "before"
_FROM, _UNTIL = "0", "1"
"""Parts of a span: so Spark calls the parts of what it zips."""
_STOOD_UNTIL = "stood until"
_EVER = datetime(9999, 12, 31, tzinfo=UTC)
"""Until when an event stands that nothing undid."""
_GAPS = "gaps"
_STRETCHES = "stretches"
_LATEST = "latest"
_STOOD = "stood"

_ORDER = (n.EVENT_TIME, n.ITEM_ID, n.PROFILE)
_BUCKET = "bucket"


def user_sequences(
    standing: DataFrame,
    items: DataFrame,
    vocabulary: DataFrame,
    source: Source,
    most_recent: int | None = None,
    target: Column | None = None,
    profiles: DataFrame | None = None,
) -> DataFrame:
    """One row per user: its ordered behaviours on `items` as `items` [n], `times` [n] and, for each of the P profile
    features that behaviours give, `profiles 0` [n] and so on.

    `most_recent` keeps only the last so many events of a user (serving needs no more), before anything is collected
    into an array. With `target`, an expression over the events that is a struct where the event is a target and null
    where it is none, `targets` holds these structs, the greatest first. `profiles`, where features come from a file
    with moments, adds the columns of `mind.features.profiles.dated_profiles`. Where the rows have `undone_at`,
    cancelled ones are among them, `cancelled` says how many, and `spans` [n] from when until when each stood, null
    where nothing was cancelled.
    """
    events = standing.join(items.select(n.ITEM_ID, n.ITEM_INDEX, n.ITEM_CODES), n.ITEM_ID)
    features = tuple(source.log_features)
    events = encode(events, n.USER_VALUES, features, vocabulary, n.PROFILE)
    collected = [F.col(name) for name in (n.ITEM_INDEX, n.EVENT_TIME, n.PROFILE)]
    if n.UNDONE_AT in standing.columns:
        collected.append(F.coalesce(n.UNDONE_AT, F.lit(_EVER)).alias(_STOOD_UNTIL))
    if target is not None:
        collected.append(target.alias(TARGETS))
    if most_recent is not None:
        latest = Window.partitionBy(n.USER_ID).orderBy(*[F.col(name).desc() for name in _ORDER])
        events = events.withColumn("age", F.row_number().over(latest)).where(F.col("age") <= most_recent)
    # Sorting compares the first eight bytes of the first key by themselves: of a hash they tell nearly all users apart,
    # of ids that begin alike none. Rows arrive in the order of histories and stay in it, because nothing lies between
    # this sort and the arrays: bare numbers, where sorting arrays of structs copies and compares interpreted rows.
    events = events.select(F.xxhash64(n.USER_ID).alias(_BUCKET), n.USER_ID, n.ITEM_ID, *collected)
    if most_recent is None:
        # Shuffled before it is grouped: collecting shrinks nothing, so doing it once a task first would cost a sort, a
        # copy and a larger shuffle. What only targets need is null in the rows of all others.
        events = events.repartition(n.USER_ID)
    events = events.sortWithinPartitions(_BUCKET, n.USER_ID, *_ORDER)
    lists = [F.collect_list(n.ITEM_INDEX).alias(ITEMS), F.collect_list(n.EVENT_TIME).alias(TIMES)]
    # A list of numbers for each feature: one list of arrays would be four times as long.
    places = enumerate(profile_features(source).index(name) for name in features)
    lists += [F.collect_list(F.col(n.PROFILE)[number]).alias(f"{PROFILES} {place}") for number, place in places]
    if n.UNDONE_AT in standing.columns:
        spans = F.arrays_zip(F.collect_list(n.EVENT_TIME), F.collect_list(_STOOD_UNTIL))
        cancelled = F.count_if(F.col(_STOOD_UNTIL) < F.lit(_EVER)).cast("int")
        lists += [F.when(cancelled > 0, spans).alias(SPANS), cancelled.alias(CANCELLED)]
    if target is not None:
        lists.append(F.sort_array(F.collect_list(TARGETS), asc=False).alias(TARGETS))
    users = events.groupBy(_BUCKET, n.USER_ID).agg(*lists).drop(_BUCKET)
    return with_dated_profiles(users, profiles, vocabulary, source)


def targets_with_a_history(sequences: DataFrame, days: int) -> DataFrame:
    """The sequences with those targets alone whose history holds anything, of the last `days` days (0: ever), and
    beside them in `every` how many there were.

    A user costs as many steps as it has events and targets, not the product of the two: gaps and stretches are few.
    """
    frame, first = sequences, F.element_at(TIMES, 1)
    usable = F.filter(TARGETS, lambda target: target[n.EVENT_TIME] > first)
    if days:
        # Moments that come so long after the one before them that nothing is in reach; the first is one.
        gaps = F.filter(TIMES, lambda moment, place: ~_follows(moment, F.get(F.col(TIMES), place - 1), days))
        frame = frame.withColumn(_GAPS, gaps)
        after_one = F.filter(TARGETS, lambda target: ~F.array_contains(F.col(_GAPS), target[n.EVENT_TIME]))
        usable = F.when(F.size(_GAPS) == 1, usable).otherwise(after_one)
    if SPANS in frame.columns:
        nothing = F.array().cast("array<struct<after:timestamp,until:timestamp>>")
        stretches = F.aggregate(SPANS, nothing, lambda held, span: _joined(held, span, days))
        frame = frame.withColumn(_STRETCHES, F.when(F.col(SPANS).isNotNull(), stretches))
        usable = F.when(F.col(_STRETCHES).isNull(), usable).otherwise(F.filter(TARGETS, _in_a_stretch))
    return frame.withColumns({EVERY: F.size(TARGETS), TARGETS: usable}).drop(_GAPS, _STRETCHES)


def _follows(moment: Column, before: Column, days: int) -> Column:
    return F.coalesce(in_reach(before, moment, days), F.lit(False))


def _joined(held: Column, span: Column, days: int) -> Column:
    """The stretches of time at which some event so far is in a history, and one event more: (after, until]."""
    after, until = span[_FROM], span[_UNTIL]
    if days:
        until = F.least(until, after + F.expr(f"INTERVAL {24 * days} HOURS"))
    last = F.get(held, F.size(held) - 1)
    longer = F.struct(last["after"].alias("after"), F.greatest(last["until"], until).alias("until"))
    joined = F.concat(F.slice(held, 1, F.size(held) - 1), F.array(longer))
    another = F.concat(held, F.array(F.struct(after.alias("after"), until.alias("until"))))
    return F.when((F.size(held) > 0) & (after <= last["until"]), joined).otherwise(another)


def _in_a_stretch(target: Column) -> Column:
    as_of = target[n.EVENT_TIME]
    return F.exists(F.col(_STRETCHES), lambda stretch: (stretch["after"] < as_of) & (as_of <= stretch["until"]))


def stood_at(sequences: DataFrame, as_of: Column, length: int, days: int) -> tuple[DataFrame, Column]:
    """The sequences without the events that were cancelled strictly before `as_of`, a moment at which one happened, and
    how many of each user's events are before it; both as `history_columns` takes them, for histories of `length`
    behaviours and `days` days. Of a user who cancelled, the latest `length` at least are there."""
    before = (F.array_position(TIMES, as_of) - 1).cast("int")
    if SPANS not in sequences.columns and not days:
        return sequences, before
    # In a column, since looking for a moment is slow where Spark interprets it, as it does for what a lambda filters.
    frame = sequences.withColumn(_BEFORE, before)
    if SPANS not in sequences.columns:
        return frame, F.col(_BEFORE)
    names = (ITEMS, TIMES, *_profiles(sequences))
    # Enough hold a history: as many as it has, and as the user cancelled at any time.
    frame = frame.withColumn(_LATEST, F.least(_BEFORE, F.lit(length) + F.col(CANCELLED)))
    slices = [F.slice(name, F.col(_BEFORE) - F.col(_LATEST) + 1, F.col(_LATEST)) for name in (SPANS, *names)]
    stood = F.filter(F.arrays_zip(*slices), lambda event: event["0"][_UNTIL] >= as_of)
    frame = frame.withColumn(_STOOD, F.when(F.col(SPANS).isNotNull(), stood))
    # Zipping says that its fields may be null, which they are not; compacting says so.
    parts = {name: F.array_compact(F.col(_STOOD)[str(place)]) for place, name in enumerate(names, start=1)}
    parts[_BEFORE] = F.size(_STOOD)
    # Few users ever cancelled anything; the arrays of the others are not touched.
    plain = F.col(_STOOD).isNull()
    frame = frame.withColumns({name: F.when(plain, F.col(name)).otherwise(part) for name, part in parts.items()})
    return frame, F.col(_BEFORE)


def sequence_columns(sequences: DataFrame) -> tuple[str, ...]:
    """The columns of `user_sequences` that `history_columns` reads."""
    spans = (SPANS, CANCELLED) if SPANS in sequences.columns else ()
    return ITEMS, TIMES, *spans, *_profiles(sequences), *dated_columns(sequences)


def in_reach(moment: Column, as_of: Column, days: int) -> Column:
    """Whether what happened at `moment` is at most so many days (of 24 hours) older than `as_of`."""
    return moment >= as_of - F.expr(f"INTERVAL {24 * days} HOURS")


def history_columns(
    sequences: DataFrame, before: Column, length: int, as_of: Column | None = None, *, ages: bool = False, days: int = 0
) -> dict[str, Column]:
    """History [L], its length and the profile [P] after the first `before` (at least 1) of a user's events, at the
    moment `as_of`; only ages, `days` and features of a file with moments ask for that.

    With `ages` also the bucket of each behaviour's age then [L], 0 for padding; with `days` no
    behaviour that is older than so many days then.
    """
    given = {int(name.removeprefix(PROFILES)): F.element_at(F.col(name), before) for name in _profiles(sequences)}
    then = F.lit(None) if as_of is None else as_of
    count = F.least(before, F.lit(length))
    if days:
        latest = F.slice(TIMES, before - count + 1, count)
        count = F.size(F.filter(latest, lambda moment: in_reach(moment, then, days)))
    padding = F.array_repeat(F.lit(MISSING), F.lit(length) - count)
    columns = {
        n.HISTORY: F.concat(F.slice(ITEMS, before - count + 1, count), padding),
        n.HISTORY_LENGTH: count,
        n.PROFILE: profile_codes(sequences, given, then),
    }
    if ages:
        buckets = F.transform(F.slice(TIMES, before - count + 1, count), lambda moment: age_bucket(moment, then))
        columns[n.HISTORY_AGES] = F.concat(buckets, padding.cast("array<tinyint>"))
    return columns


def _profiles(sequences: DataFrame) -> list[str]:
    return [name for name in sequences.columns if name.startswith(f"{PROFILES} ")]


def histories_at_end(
    sequences: DataFrame, length: int, as_of: datetime | None = None, *, ages: bool = False
) -> DataFrame:
    """One row per user: the history after the last of its events, as of the end of the day of serving; `as_of` is
    needed with `ages` and where sequences have profiles with moments."""
    moment = None if as_of is None else F.lit(as_of)
    columns = history_columns(sequences, F.size(ITEMS), length, moment, ages=ages)
    return sequences.select(n.USER_ID, *[column.alias(name) for name, column in columns.items()])


def within_reach(standing: DataFrame, as_of: datetime, days: int) -> DataFrame:
    """The behaviours that a history at `as_of` may hold; 0 days: all."""
    return standing.where(in_reach(F.col(n.EVENT_TIME), F.lit(as_of), days)) if days else standing
