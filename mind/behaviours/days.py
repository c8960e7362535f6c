"""Days of events, seen from a night."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from mind.tables import names as n

EVER = (date(1000, 1, 1), date.max)
"""Every day that a log may name: Spark takes no earlier ones from Python."""


def until(events: DataFrame, ds: date) -> DataFrame:
    """What is known at the end of `ds`."""
    return events.where(F.col(n.EVENT_DAY) <= F.lit(ds))


def last_days(ds: date, days: int) -> tuple[date, date]:
    """First and last of the `days` days up to and including `ds`."""
    return ds - timedelta(days=days - 1), ds
