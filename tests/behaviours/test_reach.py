"""Days and moments across the clock changes of time zones."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from mind.behaviours.days import EVER, end_of, reach_begins


@given(
    ds=st.dates(date(1990, 1, 1), date(2035, 12, 31)),
    days=st.integers(1, 800),
    zone=st.sampled_from(["UTC", "America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
def test_no_behaviour_in_reach_is_of_an_earlier_day_than_is_read(ds: date, days: int, zone: str) -> None:
    oldest = (end_of(ds, zone) - timedelta(hours=24 * days)).astimezone(ZoneInfo(zone)).date()
    assert reach_begins(ds, days) <= oldest <= reach_begins(ds, days) + timedelta(days=2)


def test_an_unlimited_reach_begins_with_the_log() -> None:
    assert reach_begins(date(2024, 3, 1), 0) == EVER[0]
