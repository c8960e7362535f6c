"""A raw row becomes an accepted behaviour or a refused row with its reason; nothing else can happen to it."""

from __future__ import annotations

from datetime import date

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from mind.behaviours.cleaning import without_copies
from mind.behaviours.misfits import misfits
from mind.errors import BadInput, first_line
from mind.moments import to_utc
from mind.source import ITEM_FILE, USER_FILE, Source
from mind.tables import names as n

UNREADABLE_ROW = "unreadable_row"
UNREADABLE_TIME = "unreadable_time"
NO_USER = "no_user"
NO_ITEM = "no_item"
UNKNOWN_EVENT = "unknown_event_type"
UNREADABLE_QUANTITY = "unreadable_quantity"
TOO_LATE = "too_late"
FUTURE = "future_dated"
"""Logged after the days in which a night looks back on the event's day; dated more than a day after it was logged."""
AFTER = "rows dated after the last day"
ALWAYS_BAD = (UNREADABLE_ROW, UNREADABLE_TIME, NO_USER, NO_ITEM, UNKNOWN_EVENT, UNREADABLE_QUANTITY)
"""Reasons that hold for every source and say that the log or its description is wrong."""

_SEEN_BY_RULES = (n.USER_ID, n.ITEM_ID, n.EVENT_TYPE, n.EVENT_TIME)
_HIDDEN = "mind: "
"""Prefix of columns that rules do not see, so that they hide no raw column (Spark ignores case in names)."""
_JSON = {
    "ignoreNullFields": "false",
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}
"""Spark writes milliseconds unless told otherwise, which makes one event of two a microsecond apart."""
_CORRUPT = "_corrupt_record"
"""Where Spark's readers put the text of a row that does not fit the columns."""


def parse(
    raw: DataFrame, source: Source, time_zone: str, first: date, last: date, seen: Observation | None = None
) -> DataFrame:
    """Every raw row of the days `first` to `last` (in `time_zone`), with `reason` null where it is accepted.

    Rows whose time cannot be read belong to no day and stay in; rows of other days are left out. Equal raw rows are
    one event: the copies after the first are refused as duplicates.

    Where rows have the day of their file (LOG_DAY), a row counts if that is at most a day before its event and at most
    as many days after it as `first` is before `last` (see `logged_days`). Other rows are refused by the run that looks
    back on their file's day, so that each is told of.

    Args:
        seen: is told how many rows are dated AFTER the days; these wait for their own.

    Raises:
        BadInput: an expression of the source description does not fit the raw columns.
    """
    try:
        events = _event_columns(raw, source)
        day = F.to_date(F.from_utc_timestamp(n.EVENT_TIME, time_zone))
        if seen is not None:
            events = events.observe(seen, F.count_if(day > F.lit(last)).alias(AFTER))
        in_days, misplaced = _days_meant(day, n.LOG_DAY in raw.columns, first, last)
        events = events.where(in_days)
        events = events.withColumn(_HIDDEN + n.REASON, _reason(source, misplaced, _CORRUPT in raw.columns))
        hidden = [name for name in events.columns if name.startswith(_HIDDEN)]
        events = events.select(
            *_SEEN_BY_RULES,
            *[F.col(f"`{name}`").alias(name.removeprefix(_HIDDEN)) for name in hidden],
            day.alias(n.EVENT_DAY),
            F.lit(source.name).alias(n.SOURCE),
        )
    except PySparkException as error:
        raise misfits(raw, source) or BadInput(
            f"source {source.name}: its description does not fit the log: {first_line(error)} "
            f"The log's columns: {', '.join(raw.columns)}. Mend conf/sources/{source.name}.toml."
        ) from error
    events = without_copies(events, source)
    bad = [*ALWAYS_BAD, *(rule.reason for rule in source.refuse if rule.bad)]
    return events.withColumn(n.BAD, F.coalesce(F.col(n.REASON).isin(bad), F.lit(False)))


def _days_meant(day: Column, dated: bool, first: date, last: date) -> tuple[Column, dict[str, Column]]:
    """Whether a row is the run's to judge, and what refuses it for the day of its file."""
    inside = day.between(F.lit(first), F.lit(last))
    if not dated:
        return day.isNull() | inside, {}
    logged = F.col(n.LOG_DAY)
    after = F.datediff(logged, day)
    late, early = after > (last - first).days, after < -1
    misplaced = day.isNull() | late | early
    theirs = misplaced & logged.between(F.lit(first), F.lit(last))
    return theirs | (inside & ~late & ~early), {TOO_LATE: late, FUTURE: early}


def _event_columns(raw: DataFrame, source: Source) -> DataFrame:
    """The raw columns, the four event columns that rules may use, and the others under a hidden name."""
    # What the item and user files say is no part of the row: an event stays the same event when they change.
    of_files = (ITEM_FILE, USER_FILE)
    added = (n.SOURCE_FILE, n.LOG_DAY, *of_files)
    given = [name for name in raw.columns if name not in added]
    as_json = F.to_json(F.struct(*[F.col(f"`{name}`") for name in given]), _JSON)
    given += [name for name in (n.LOG_DAY, *of_files) if name in raw.columns]
    seen = {name: F.expr(getattr(source.columns, name)) for name in _SEEN_BY_RULES}
    hidden = {
        n.RAW: as_json,
        n.EVENT_ID: F.md5(as_json),
        n.SOURCE_FILE: F.col(n.SOURCE_FILE),
        n.QUANTITY: _quantity(F.expr(source.columns.quantity)),
        n.ITEM_ATTRIBUTES: _values(source.item_attributes),
        n.ITEM_VALUES: _values(source.item_features),
        n.USER_VALUES: _values(source.log_features),
    }
    events = raw.select(
        *[F.col(f"`{name}`") for name in given if name.lower() not in seen],
        *[column.alias(name) for name, column in seen.items()],
        *[column.alias(_HIDDEN + name) for name, column in hidden.items()],
    )
    kind, zone, what = events.schema[n.EVENT_TIME].dataType, source.time_zone, f"source {source.name}: event_time"
    moment = to_utc(F.col(n.EVENT_TIME), kind, source.columns.event_time, source, zone, what)
    texts = {name: F.col(name).cast("string") for name in (n.USER_ID, n.ITEM_ID, n.EVENT_TYPE)}
    return events.withColumns({**texts, n.EVENT_TIME: moment})


def _quantity(given: Column) -> Column:
    """The amount: 1 where the row gives none (null or blank), null where it gives one that is no number."""
    absent = F.coalesce(F.trim(given.cast("string")), F.lit("")) == ""
    return F.when(absent, F.lit(1.0)).otherwise(given.try_cast("double"))


def _values(expressions: dict[str, str]) -> Column:
    """A map of the features; null where the row does not give one."""
    pairs = [(F.lit(name), F.expr(sql).cast("string")) for name, sql in expressions.items()]
    return F.create_map(*[column for pair in pairs for column in pair]).cast("map<string,string>")


def _reason(source: Source, misplaced: dict[str, Column], may_be_corrupt: bool) -> Column:
    """The first rule that refuses the row: unreadable, its time, the source's rules, then what every source needs."""
    known = [*source.positive_events, *source.cancelling_events]
    rules = [(UNREADABLE_ROW, F.col(_CORRUPT).isNotNull())] if may_be_corrupt else []
    rules += [(UNREADABLE_TIME, F.col(n.EVENT_TIME).isNull()), *misplaced.items()]
    rules += [(rule.reason, F.expr(rule.where)) for rule in source.refuse]
    rules += [(NO_USER, F.coalesce(F.trim(n.USER_ID), F.lit("")) == "")]
    rules += [(NO_ITEM, F.coalesce(F.trim(n.ITEM_ID), F.lit("")) == "")]
    rules += [(UNKNOWN_EVENT, ~F.coalesce(F.col(n.EVENT_TYPE).isin(known), F.lit(False)))]
    rules += [(UNREADABLE_QUANTITY, F.col(f"`{_HIDDEN}{n.QUANTITY}`").isNull())]
    return F.coalesce(*[F.when(holds, F.lit(reason)) for reason, holds in rules])
