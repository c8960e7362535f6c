"""Local times become the same moments that Python's own time zones give, whatever the host is set to."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from mind.behaviours.parse import parse
from mind.errors import BadInput
from mind.tables import names as n
from tests.behaviours.shop import raw_frame, raw_row, source
from tests.storage.frames import rows_of

ZONES = ("UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo")
CHANGES = {
    "UTC": [],
    "Europe/London": [datetime(2011, 3, 27, 1), datetime(2011, 10, 30, 1)],
    "America/New_York": [datetime(2011, 3, 13, 2), datetime(2011, 11, 6, 1)],
    "Australia/Lord_Howe": [datetime(2011, 4, 3, 1, 30), datetime(2011, 10, 2, 2)],
    "Asia/Kathmandu": [],
    "America/Sao_Paulo": [datetime(2011, 2, 19, 23), datetime(2011, 10, 16, 0)],
}
"""Local times at which a clock change begins in 2011: an hour (or half of one) that is missing or comes twice."""


def local_times(zone: str) -> list[datetime]:
    """Every five minutes around each change, and random moments of the year."""
    chance = random.Random(zone)
    around = [change + timedelta(minutes=5 * step) for change in CHANGES[zone] for step in range(-15, 27)]
    return around + [datetime(2011, 1, 2) + timedelta(seconds=chance.randrange(31_000_000)) for _ in range(50)]


def in_utc(local: datetime, zone: str) -> datetime:
    """The moment: the earlier of two where the clock is put back, and moved on by the gap where it is put forward."""
    return local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


@pytest.mark.parametrize("zone", ZONES)
def test_local_times_are_the_moments_that_zoneinfo_gives(spark: SparkSession, zone: str) -> None:
    times = local_times(zone)
    rows = [raw_row(note=str(number), at=str(when)) for number, when in enumerate(times)]
    raw = raw_frame(spark, rows)
    naive = raw.withColumn("at", F.col("at").cast("timestamp_ntz"))
    for frame in (raw, naive):
        found = rows_of(parse(frame, source(time_zone=zone), "UTC", date(2010, 12, 1), date(2012, 2, 1)))
        given = {int(row[n.ITEM_ATTRIBUTES]["name"]): row[n.EVENT_TIME] for row in found}
        assert given == {number: in_utc(when, zone) for number, when in enumerate(times)}


FORMAT = "dd.MM.yyyy 'um' HH:mm:ss"


@pytest.mark.parametrize("zone", ["Europe/London", "Australia/Lord_Howe"])
def test_times_in_a_form_of_their_own_are_read_in_the_sources_zone(spark: SparkSession, zone: str) -> None:
    times = local_times(zone)
    rows = [raw_row(note=str(number), at=f"{when:%d.%m.%Y um %H:%M:%S}") for number, when in enumerate(times)]
    rows += [raw_row(note=str(len(times)), at="31.02.2011 um 10:00:00"), raw_row(note="-1", at="soon")]
    given = source(time_zone=zone, time_format=FORMAT)
    found = rows_of(parse(raw_frame(spark, rows), given, "UTC", date(2010, 12, 1), date(2012, 2, 1)))
    moments = {int(row[n.ITEM_ATTRIBUTES]["name"]): (row[n.EVENT_TIME], row[n.REASON]) for row in found}
    assert {moments.pop(len(times))[1], moments.pop(-1)[1]} == {"unreadable_time"}
    assert moments == {number: (in_utc(when, zone), None) for number, when in enumerate(times)}


def test_a_form_with_a_zone_says_it_itself(spark: SparkSession) -> None:
    rows = [raw_row(at="01.03.2011 10:00 +0530")]
    given = source(time_zone="America/New_York", time_format="dd.MM.yyyy HH:mm Z")
    (row,) = rows_of(parse(raw_frame(spark, rows), given, "UTC", date(2010, 12, 1), date(2012, 2, 1)))
    assert row[n.EVENT_TIME] == datetime(2011, 3, 1, 4, 30, tzinfo=UTC)


def test_a_moment_made_of_bare_text_is_refused_where_it_would_be_hours_off(spark: SparkSession) -> None:
    columns = source().columns.model_copy(update={"event_time": "to_timestamp(at, 'dd.MM.yyyy HH:mm')"})
    frame, days = raw_frame(spark, [raw_row(at="01.03.2011 10:00")]), ("UTC", date(2010, 12, 1), date(2012, 2, 1))
    with pytest.raises(BadInput, match=r"to_timestamp\(at.*as UTC, but time_zone is 'Europe/London'.*time_format"):
        parse(frame, source(time_zone="Europe/London", columns=columns), *days)
    (row,) = rows_of(parse(frame, source(columns=columns), *days))
    assert row[n.EVENT_TIME] == datetime(2011, 3, 1, 10, tzinfo=UTC)


def test_the_day_of_an_event_is_the_lakes_day(spark: SparkSession) -> None:
    times = local_times("Europe/London")
    rows = [raw_row(note=str(number), at=f"{when}Z") for number, when in enumerate(times)]
    events = parse(raw_frame(spark, rows), source(), "America/Sao_Paulo", date(2010, 12, 1), date(2012, 2, 1))
    found = {int(row[n.ITEM_ATTRIBUTES]["name"]): row[n.EVENT_DAY] for row in rows_of(events)}
    lake = ZoneInfo("America/Sao_Paulo")
    assert found == {number: when.replace(tzinfo=UTC).astimezone(lake).date() for number, when in enumerate(times)}


def test_the_session_is_in_utc_whatever_the_host_says(spark: SparkSession) -> None:
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    row = spark.range(1).select(F.lit("2011-07-01 00:00:00").cast("timestamp").cast("long").alias("s")).first()
    assert row is not None
    assert row["s"] == int(datetime(2011, 7, 1, tzinfo=UTC).timestamp())
