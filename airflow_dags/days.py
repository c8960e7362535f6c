"""One explicit day for every kind of run, and which days train."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo


class Dated(Protocol):
    """What Airflow knows of a run: a manual run without a date and one that an asset started have no logical date."""

    logical_date: datetime | None
    run_after: datetime


class Days:
    """The days of a lake: midnight to midnight in its zone."""

    def __init__(self, time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)

    def of(self, dag_run: Dated, params: Mapping[str, Any]) -> str:
        """The `ds` of a run: the one asked for, else the day of its logical date, else that of its start.

        A scheduled run's logical date is the beginning of its day. Airflow keeps moments in UTC, where the midnight
        of another zone is another day.

        Raises:
            ValueError: the day asked for is not written as YYYY-MM-DD.
        """
        asked = params.get("ds") or ""
        if asked:
            if date.fromisoformat(asked).isoformat() != asked:
                raise ValueError(f"{asked!r} is no day; write it as YYYY-MM-DD")
            return str(asked)
        moment = dag_run.logical_date or dag_run.run_after
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(self._zone).date().isoformat()


def trains(ds: str, params: Mapping[str, Any], weekdays: tuple[int, ...]) -> bool:
    """Whether a night trains: as asked, else on its weekdays (1 is Monday)."""
    asked = params.get("train") or "schedule"
    return asked == "yes" or (asked == "schedule" and date.fromisoformat(ds).isoweekday() in weekdays)


def span(first: str, last: str, newest_first: bool) -> list[str]:
    """The days of a backfill, both ends included.

    Raises:
        ValueError: the last is before the first.
    """
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    if end < begin:
        raise ValueError(f"last {last} is before first {first}; give the range in order")
    days = [(begin + timedelta(days=number)).isoformat() for number in range((end - begin).days + 1)]
    return days[::-1] if newest_first else days
