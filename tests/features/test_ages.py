"""Buckets of ages: Spark against a loop, edges included, whatever the time zones; and when a day ends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from mind.behaviours.days import end_of
from mind.features.ages import age_bucket
from mind.model import AGE_BUCKETS
from mind.tables import tuples
from tests.features import slow

ZONES = ("UTC", "Europe/London", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia")
MOMENT = st.datetimes(
    datetime(1995, 1, 1), datetime(2040, 1, 1), timezones=st.sampled_from([ZoneInfo(z) for z in ZONES])
)
US = timedelta(microseconds=1)


def in_spark(spark: SparkSession, pairs: list[tuple[datetime, datetime]]) -> list[int]:
    rows = [(place, moment.astimezone(UTC), as_of.astimezone(UTC)) for place, (moment, as_of) in enumerate(pairs)]
    frame = spark.createDataFrame(rows, "place int, moment timestamp, as_of timestamp")
    found = frame.select("place", age_bucket(F.col("moment"), F.col("as_of")).alias("bucket")).orderBy("place")
    assert found.schema["bucket"].dataType.simpleString() == "tinyint"
    return [row["bucket"] for row in found.collect()]


@settings(max_examples=3, deadline=None, derandomize=True)
@given(pairs=st.lists(st.tuples(MOMENT, MOMENT), min_size=50, max_size=200), zone=st.sampled_from(ZONES))
def test_buckets_are_those_of_a_loop_in_every_time_zone(
    spark: SparkSession, pairs: list[tuple[datetime, datetime]], zone: str
) -> None:
    before = spark.conf.get("spark.sql.session.timeZone")
    try:
        spark.conf.set("spark.sql.session.timeZone", zone)
        found = in_spark(spark, pairs)
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)
    utc = [(moment.astimezone(UTC), as_of.astimezone(UTC)) for moment, as_of in pairs]
    assert found == [slow.age_bucket(*pair) for pair in utc]


def test_each_bucket_begins_and_ends_where_it_is_said_to(spark: SparkSession) -> None:
    now = datetime(2024, 3, 31, 1, 30, tzinfo=UTC)
    edges = [timedelta(minutes=2**power) for power in range(AGE_BUCKETS)]
    pairs = [(now - age, now) for edge in edges for age in (edge - US, edge)]
    last = AGE_BUCKETS
    expected = [bucket for edge in range(len(edges)) for bucket in (min(edge + 1, last), min(edge + 2, last))]
    assert in_spark(spark, pairs) == expected
    assert in_spark(spark, [(now, now), (now - US, now), (now + timedelta(hours=1), now)]) == [1, 1, 1]
    assert expected[-3:] == [last, last, last]


def test_the_model_has_a_row_for_each_bucket() -> None:
    assert AGE_BUCKETS == tuples.AGE_BUCKETS


def test_a_day_ends_when_the_next_begins_in_its_time_zone() -> None:
    assert end_of(date(2024, 3, 30), "UTC") == datetime(2024, 3, 31, tzinfo=UTC)
    assert end_of(date(2024, 3, 31), "Europe/London") == datetime(2024, 3, 31, 23, tzinfo=UTC)
    assert end_of(date(2024, 10, 27), "Europe/London") == datetime(2024, 10, 28, tzinfo=UTC)
    assert end_of(date(2024, 5, 1), "Asia/Kathmandu") == datetime(2024, 5, 1, 18, 15, tzinfo=UTC)
    # Clocks went from midnight to one: the day begins at the first moment that there is.
    assert end_of(date(2018, 11, 3), "America/Sao_Paulo") == datetime(2018, 11, 4, 3, tzinfo=UTC)
