"""A file beside the log whose rows have moments: each row is known from its moment on."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from mind.behaviours.days import end_of
from mind.behaviours.parse import parse
from mind.errors import BadInput
from mind.source import FeatureFile, Source
from mind.storage.feature_files import profiles_of, read_profiles
from mind.storage.lake import Lake
from mind.storage.raw_log import read_raw_log
from mind.storage.spark_schema import arrow_schema
from mind.tables import PROFILES
from mind.tables import names as n
from tests.behaviours.shop import FIRST, LAST, raw_row, source
from tests.storage.frames import rows_of

DS = date(2024, 3, 1)
ROWS = "who,town,since,version\n"


def dated(**changes: Any) -> Source:
    given: dict[str, Any] = {
        "path": "users.csv",
        "format": "csv",
        "options": {"header": "true"},
        "key": "who",
        "prefer": "cast(version as int)",
        "moment": "since",
        "columns": {"town": "upper(town)"},
    }
    features = {"country": "country", "place": "user_file.town"}
    return source(user_file=FeatureFile(**{**given, **changes}), user_features=features)


def told(spark: SparkSession, folder: Path, text: str, shop: Source, zone: str = "UTC") -> list[tuple[Any, ...]]:
    (folder / "users.csv").write_text(ROWS + text)
    found = read_profiles(spark, shop, f"{folder}/log", DS, end_of(DS, zone))
    PROFILES.check_schema(arrow_schema(found))
    rows = [(row[n.USER_ID], row[n.KNOWN_FROM], row[n.USER_VALUES]["place"]) for row in rows_of(found)]
    return sorted(rows, key=str)


def test_rows_of_one_moment_are_settled_in_a_stated_order_and_later_ones_wait_for_their_day(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Of one user and moment the row with the greater `prefer` counts, then the one with the greater values."""
    old = "ann,Lima,2024-02-01,9\nann,Lyon,2024-02-01,10\nann,Lille,2024-02-01,10\n"
    old += "bob,,2024-02-02,1\n,Nice,2024-02-02,1\nann,Rome,2024-03-01T23:59:59.999999,1\n"
    expected = [
        ("ann", datetime(2024, 2, 1, tzinfo=UTC), "LYON"),
        ("ann", datetime(2024, 3, 1, 23, 59, 59, 999999, tzinfo=UTC), "ROME"),
        ("bob", datetime(2024, 2, 2, tzinfo=UTC), None),
    ]
    assert told(spark, tmp_path, old, dated()) == expected
    grown = "bob,Oslo,2024-03-02,1\nann,Kiev,2024-04-01,99\n"
    assert told(spark, tmp_path, grown + old, dated()) == expected, "a run of an old day is what it was then"


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("2024-02-01T12:00:00+05:45", {}),
        ("2024-02-01 12:00:00", {"time_zone": "Asia/Kathmandu"}),
        ("01.02.2024 12:00", {"time_zone": "Asia/Kathmandu", "time_format": "dd.MM.yyyy HH:mm"}),
        ("1706768100000", {"time_unit": "ms"}),
    ],
    ids=str,
)
def test_moments_are_written_as_the_times_of_a_log_may_be(
    spark: SparkSession, tmp_path: Path, written: str, form: dict[str, str]
) -> None:
    found = told(spark, tmp_path, f"ann,Lima,{written},1\n", dated(**form))
    assert found == [("ann", datetime(2024, 2, 1, 6, 15, tzinfo=UTC), "LIMA")]


def test_rows_without_a_moment_stop_the_run_and_may_be_left_out_or_given_one(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = "ann,Lima,soon,1\nbob,Lyon,,1\ncem,Nice,2024-02-01,1\n,Rome,soon,1\n"
    with pytest.raises(BadInput, match=r"\[user_file\] .*users\.csv: moment = 'since' .* 2 of 3 rows, .*'soon'.*where"):
        told(spark, tmp_path, rows, dated())
    with pytest.raises(BadInput, match=r"moment of \[user_file\] is int.*time_unit"):
        told(spark, tmp_path, rows, dated(moment="cast(version as int)"))
    kept = told(spark, tmp_path, rows, dated(where="try_cast(since as date) is not null"))
    assert [row[0] for row in kept] == ["cem"]
    filled = told(
        spark, tmp_path, rows, dated(moment="coalesce(try_cast(since as date), date'2000-01-01')::timestamp_ntz")
    )
    assert [(row[0], row[1].year) for row in filled] == [("ann", 2000), ("bob", 2000), ("cem", 2024)]


def test_beside_a_row_of_the_log_stands_what_is_known_when_the_day_ends_and_features_wait_for_the_lookup(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "users.csv").write_text(ROWS + "ann,Lima,2024-01-01,9\nann,Lyon,2024-02-01,1\nann,Rome,2024-03-02,1\n")
    log = str(tmp_path / "log.json")
    spark.createDataFrame([raw_row(size="", item="x")]).write.json(log)
    shop = dated().model_copy(update={"format": "json", "item_features": {"colour": "user_file.town"}})
    towns = []
    for as_of in (end_of(DS, "UTC"), None):
        raw = read_raw_log(spark, shop, log, as_of=as_of)
        (row,) = rows_of(parse(raw, shop, "UTC", FIRST, LAST))
        assert row[n.USER_VALUES] == {"country": "France"}
        towns.append(row[n.ITEM_VALUES]["colour"])
    assert towns == ["LYON", "ROME"]


def test_a_night_of_which_ingest_kept_no_profiles_is_warned_of(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shop, lake = dated(), Lake(spark, str(tmp_path / "lake"))
    (tmp_path / "users.csv").write_text(ROWS + "ann,Lima,2024-02-01,9\n")
    lake.replace(PROFILES, read_profiles(spark, shop, f"{tmp_path}/log", DS, end_of(DS, "UTC")), DS, DS)
    with caplog.at_level(logging.WARNING, logger="mind"):
        kept = profiles_of(lake, shop, DS)
        assert kept is not None
        assert kept.count() == 1
        assert not caplog.messages
        later = profiles_of(lake, shop, DS + timedelta(days=1))
    assert later is not None
    assert later.isEmpty()
    assert any("profiles holds no row of 2024-03-02" in message for message in caplog.messages)
    assert profiles_of(lake, source(), DS) is None
