"""A day's behaviours are a function of the log and the day: not of the nights around it, nor of the host's clock."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from mind.behaviours.parse import parse
from mind.source import RefuseUsersRule, Source
from mind.tables import names as n
from tests.behaviours.shop import raw_frame, raw_row, source
from tests.storage.frames import rows_of

HOSTS = ("UTC", "Pacific/Kiritimati", "America/New_York")
SPRING, AUTUMN = datetime(2024, 3, 10, 2), datetime(2024, 11, 3, 1)
"""When clocks in New York change."""


def shop() -> Source:
    """All cleaning that looks at more than one row."""
    return source(
        time_zone="America/New_York",
        same_event=("user_id", "item_id"),
        refuse_users=(RefuseUsersRule(reason="robot", where="count(*) > 6"),),
    )


def random_rows(seed: int, around: datetime, count: int = 300) -> list[dict]:
    """Rows of four days, late ones and copies among them, in no order."""
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        when = around + timedelta(minutes=chance.randrange(-2 * 24 * 60, 2 * 24 * 60))
        who, note = chance.choice(["ann", "bob", "cem", "é", "bot", None]), str(chance.randrange(3))
        rows.append(raw_row(who=who, what=f"i{chance.randrange(12)}", at=str(when), note=note))
    return rows + chance.sample(rows, 20)


@settings(max_examples=2, deadline=None, derandomize=True, phases=[Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_a_backfill_of_a_day_gives_what_the_night_gave(spark: SparkSession, seed: int) -> None:
    raw = raw_frame(spark, random_rows(seed, SPRING)).persist()
    first, last = date(2024, 3, 8), date(2024, 3, 12)
    whole = rows_of(parse(raw, shop(), "UTC", first, last))
    assert {row[n.REASON] for row in whole} >= {None, "robot", "same_event", "duplicate", "no_user"}
    days = [first + timedelta(days=place) for place in range((last - first).days + 1)]
    for day in days[1:4]:
        again = rows_of(parse(raw, shop(), "UTC", day, day))
        assert again == [row for row in whole if row[n.EVENT_DAY] == day]
        assert again


@contextmanager
def host_in(spark: SparkSession, zone: str) -> Iterator[None]:
    """Java and Python as on a host whose clock is set to the zone."""
    zones = spark.sparkContext._jvm.java.util.TimeZone  # type: ignore[union-attr]
    java, python = zones.getDefault(), os.environ.get("TZ")
    try:
        zones.setDefault(zones.getTimeZone(zone))
        os.environ["TZ"] = zone
        time.tzset()
        yield
    finally:
        zones.setDefault(java)
        os.environ.pop("TZ") if python is None else os.environ.__setitem__("TZ", python)
        time.tzset()


def test_the_hosts_time_zone_changes_nothing_across_both_clock_changes(spark: SparkSession) -> None:
    rows = random_rows(3, SPRING) + random_rows(4, AUTUMN)

    def told(frame: DataFrame) -> list[dict]:
        return rows_of(parse(frame, shop(), "America/New_York", date(2024, 1, 1), date(2024, 12, 31)))

    found = {}
    for zone in HOSTS:
        with host_in(spark, zone):
            found[zone] = told(raw_frame(spark, rows).repartition(3))
    assert len(found["UTC"]) == len(rows)
    assert all(found[zone] == found["UTC"] for zone in HOSTS)
