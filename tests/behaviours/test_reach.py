"""Days and moments across the clock changes of time zones."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from mind.behaviours.days import EVER, end_of, reach_begins
from mind.tuples.splits import first_day_read, windows
from tests.tuples.test_build import section

ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Pacific/Kiritimati", "Asia/Kathmandu", "Australia/Lord_Howe")


@given(
    ds=st.dates(date(1990, 1, 1), date(2035, 12, 31)),
    days=st.integers(1, 800),
    zone=st.sampled_from(ZONES),
)
def test_no_behaviour_in_reach_is_of_an_earlier_day_than_is_read(ds: date, days: int, zone: str) -> None:
    oldest = (end_of(ds, zone) - timedelta(hours=24 * days)).astimezone(ZoneInfo(zone)).date()
    assert reach_begins(ds, days) <= oldest <= reach_begins(ds, days) + timedelta(days=2)


@given(
    ds=st.dates(date(1990, 1, 1), date(2035, 12, 31)),
    days=st.integers(1, 800),
    zone=st.sampled_from(ZONES),
    targets=st.integers(1, 400),
)
def test_a_night_reads_all_that_the_history_of_its_first_target_may_hold(
    ds: date, days: int, zone: str, targets: int
) -> None:
    given = section(history_days=days, train_days=targets)
    first = windows(ds, given)["train"].first
    moment = end_of(first - timedelta(days=1), zone)
    oldest = (moment - timedelta(hours=24 * days)).astimezone(ZoneInfo(zone)).date()
    assert first_day_read(ds, given) <= oldest <= first_day_read(ds, given) + timedelta(days=2)


def test_an_unlimited_reach_begins_with_the_log() -> None:
    assert reach_begins(date(2024, 3, 1), 0) == EVER[0]
