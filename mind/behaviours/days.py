"""Days of events, seen from a night."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from mind.tables import names as n

EVER = (date(1000, 1, 1), date.max)
"""Every day that a log may name: Spark takes no earlier ones from Python."""


def until(events: DataFrame, ds: date, first: date = EVER[0]) -> DataFrame:
    """What is known at the end of `ds`, from the day `first` on."""
    known = events.where(F.col(n.EVENT_DAY) <= F.lit(ds))
    return known if first == EVER[0] else known.where(F.col(n.EVENT_DAY) >= F.lit(first))


def end_of(ds: date, zone: str) -> datetime:
    """The moment, in UTC, at which `ds` ends in a time zone: no behaviour of `until` is later."""
    return datetime.combine(ds + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)


def between(events: DataFrame, first: date, last: date) -> DataFrame:
    """The events of the days `first` to `last`; a table that is cut into days is read in these alone."""
    return events.where(F.col(n.EVENT_DAY).between(F.lit(first), F.lit(last)))


def last_days(ds: date, days: int) -> tuple[date, date]:
    """First and last of the `days` days up to and including `ds`."""
    return ds - timedelta(days=days - 1), ds


def reach_begins(ds: date, days: int) -> date:
    """The first day that may hold a behaviour at most `days` days (of 24 hours) older than the end of `ds`: one more
    than so many, since the clocks of a time zone change. 0 days: every day."""
    return ds - timedelta(days=days) if days else EVER[0]


def logged_days(ds: date, days: int) -> tuple[date, date]:
    """First and last day whose files may hold rows of the `days` days up to `ds`.

    A row counts if it was logged on the day of its event, on the day before (the log's day need not begin when the
    lake's does) or on one of the `days - 1` days after it. So a backfill reads the late rows that the nights after `ds`
    found, and what a day holds in the end does not depend on the order of the runs.
    """
    first, last = last_days(ds, days)
    return first - timedelta(days=1), last + timedelta(days=days - 1)
