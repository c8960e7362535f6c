"""Every kind of run has one day, in the lake's zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from airflow_dags.alerts import late, message, tell
from airflow_dags.days import Days, span, trains


@dataclass
class Run:
    logical_date: datetime | None
    run_after: datetime


MORNING = datetime(2011, 12, 9, 2, 0, tzinfo=UTC)
MIDNIGHT_IN_BERLIN = datetime(2011, 12, 7, 23, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("run", "params", "zone", "ds"),
    [
        (Run(datetime(2011, 12, 8, tzinfo=UTC), MORNING), {"ds": ""}, "UTC", "2011-12-08"),
        (Run(MIDNIGHT_IN_BERLIN, MORNING), {}, "Europe/Berlin", "2011-12-08"),
        (Run(None, MORNING), {"ds": ""}, "UTC", "2011-12-09"),
        (Run(None, datetime(2011, 12, 8, 23, 30, tzinfo=UTC)), {"ds": None}, "Europe/Berlin", "2011-12-09"),
        (Run(None, MORNING), {"ds": "2011-12-05"}, "UTC", "2011-12-05"),
        (Run(datetime(2011, 12, 8), MORNING), {}, "UTC", "2011-12-08"),
    ],
)
def test_a_scheduled_a_manual_and_an_asked_for_run_have_their_day(run: Run, params: dict, zone: str, ds: str) -> None:
    assert Days(zone).of(run, params) == ds


@pytest.mark.parametrize("asked", ["20111208", "2011-W49-4", "yesterday", "2011-12-08; rm"])
def test_a_day_that_is_none_is_refused(asked: str) -> None:
    with pytest.raises(ValueError, match=r"day|isoformat"):
        Days("UTC").of(Run(None, MORNING), {"ds": asked})


def test_a_night_trains_on_its_weekdays_or_when_asked() -> None:
    assert trains("2011-12-11", {"train": "schedule"}, (7,)), "a Sunday"
    assert not trains("2011-12-08", {}, (7,))
    assert trains("2011-12-08", {"train": "yes"}, (7,))
    assert not trains("2011-12-11", {"train": "no"}, (7,))


def test_a_backfill_has_both_ends_and_either_order() -> None:
    assert span("2011-11-30", "2011-12-01", False) == ["2011-11-30", "2011-12-01"]
    assert span("2011-11-30", "2011-12-01", True) == ["2011-12-01", "2011-11-30"]
    assert span("2011-12-01", "2011-12-01", False) == ["2011-12-01"]
    with pytest.raises(ValueError, match="is before first"):
        span("2011-12-02", "2011-12-01", False)


def test_an_alert_says_what_failed_without_secrets_and_reaches_the_command(tmp_path, capsys) -> None:
    told = message({"exception": ValueError("no log at s3a://key:hunter2hunter2@bucket/log\npage of Java")})
    assert "no log at s3a://***@bucket/log" in told
    assert "hunter2" not in told
    assert "Java" not in told
    file = tmp_path / "mail"
    tell(told, f"tee {file}")
    assert file.read_text() == told
    run = {"dag_run_id": "scheduled__2011-12-09", "logical_date": "2011-12-08T00:00:00Z", "conf": {"key": "hunter2"}}
    late({"dag_run": run}, deadline="06:00:00", command=f"tee {file}")
    assert file.read_text() == (
        "the night is late: not published by 06:00:00 "
        "(run scheduled__2011-12-09 for the day that begins 2011-12-08T00:00:00Z)"
    )
    tell(told, "/no/such/program")
