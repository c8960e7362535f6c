"""What a log holds is counted as a loop over its rows counts it, and shown."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from mind.behaviours.days import EVER
from mind.behaviours.log_profile import profile_log
from mind.behaviours.parse import parse
from mind.errors import BadInput
from mind.report.log_profile import show_profile
from mind.source import RefuseUsersRule
from tests.behaviours.shop import raw_frame, raw_row, source


def test_a_small_log_is_counted_and_shown(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [raw_row(who="ann", what=f"i{k}", at=f"2024-03-01 10:00:0{k // 2}", colour=None) for k in range(5)]
    rows += [raw_row(who="bob", what="i1", kind="return"), raw_row(who="bob", what="i1", kind="return")]
    rows += [raw_row(who=None), raw_row(at="2024-03-05 09:00:00", who="cem")]
    rows += [raw_row(who="bot", note=str(k)) for k in range(9)]
    shop = source(refuse_users=(RefuseUsersRule(reason="robot", where="count(*) > 8"),))
    found = profile_log(parse(raw_frame(spark, rows), shop, "UTC", *EVER), shop)
    assert (found.rows, found.accepted, found.users, found.items) == (18, 7, 3, 6)
    assert found.refused == {"robot": 9, "duplicate": 1, "no_user": 1}
    assert (found.first, found.last) == (datetime(2024, 3, 1, 10, tzinfo=UTC), datetime(2024, 3, 5, 9, tzinfo=UTC))
    assert found.ties == 2
    assert found.event_types == {"buy": 6, "return": 1}
    assert found.missing == {"colour": 5, "size": 7, "country": 0}
    assert (found.history_lengths[0.5], found.history_lengths[1.0]) == (1, 5)
    assert found.users_by_length == {"1": 2, "4 to 7": 1}
    assert found.behaviours_by_day == {date(2024, 3, 1): 6, date(2024, 3, 5): 1}
    assert found.removed_users == [("bot", "robot", 9)]
    assert found.bad == 1
    assert json.loads(found.examples["no_user"])["what"] == "tea"
    assert set(found.examples) == set(found.refused)
    plot = show_profile(found, "shop", tmp_path / "new", 0.01)
    assert plot.read_bytes().startswith(b"\x89PNG")
    told = capsys.readouterr().out
    assert all(text in told for text in ("18: 7 accepted, 11 refused", "robot", "bot", "2024-03-05 09:00:00"))
    assert "1 (5.56%), a night would stop above 1.00%" in told
    assert '"what":"tea"' in told
    show_profile(found, "shop", tmp_path / "new", 0.1)
    assert "a night stops above 10.00%" in capsys.readouterr().out


def test_an_expression_that_fails_at_a_value_is_told_in_a_line(spark: SparkSession) -> None:
    columns = source().columns.model_copy(update={"event_time": "to_timestamp(at, 'dd.MM.yyyy')"})
    shop = source(columns=columns)
    events = parse(raw_frame(spark, [raw_row(at="01.03.2024"), raw_row(at="soon")]), shop, "UTC", *EVER)
    with pytest.raises(BadInput, match=r"^source shop: the log cannot be read to its end: \[CANNOT.*'soon'.*Mend"):
        profile_log(events, shop)


def test_a_log_of_refused_rows_alone_says_why(spark: SparkSession) -> None:
    rows = [raw_row(who=None), raw_row(who=None, note="x"), raw_row(kind="?")]
    with pytest.raises(BadInput, match=r"none of 3 rows is accepted \(2 no_user, 1 unknown_event_type\)"):
        profile_log(parse(raw_frame(spark, rows), source(), "UTC", *EVER), source())
