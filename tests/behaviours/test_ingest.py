"""A night's rows in = behaviours + refused rows by reason, or nothing is written."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from mind.behaviours.ingest import Ingested, ingest
from mind.errors import BadInput, BrokenPromise
from mind.storage.lake import Lake
from mind.storage.raw_log import read_raw_log
from mind.tables import BEHAVIOURS, QUARANTINE
from mind.tables import names as n
from tests.behaviours.shop import RAW, raw_frame, raw_row, rule, section, source
from tests.storage.frames import rows_of

DS = date(2024, 3, 2)


def rows() -> list[dict]:
    """10 rows of the days 2024-03-01 and 02, one older and one without a time."""
    good = [raw_row(note=str(number), at=f"2024-03-0{1 + number % 2} 10:00:00") for number in range(5)]
    refused = [raw_row(note="x", who=None), raw_row(note="y", who=None), raw_row(note="z", colour="none")]
    return [*good, good[0], *refused, raw_row(at="soon"), raw_row(at="2024-02-01 10:00:00")]


def test_the_sums_hold_and_say_where_each_row_went(spark: SparkSession) -> None:
    night = ingest(raw_frame(spark, rows()), source(refuse=(rule("plain", "colour = 'none'"),)), section(), "UTC", DS)
    assert (night.rows, night.accepted) == (11, 6)
    assert night.refused == {"duplicate": 1, "no_user": 2, "plain": 1, "unreadable_time": 1}
    assert night.behaviours.count() == 6
    assert night.quarantine.count() == 5
    assert {row[n.DS] for row in rows_of(night.quarantine)} == {DS}
    night.check_sums(6, 5)
    with pytest.raises(BrokenPromise, match="read 11 rows but wrote 6 behaviours and 4 refused"):
        night.check_sums(6, 4)


def test_only_the_days_looked_back_on_are_read(spark: SparkSession) -> None:
    night = ingest(raw_frame(spark, rows()), source(), section(look_back_days=1), "UTC", DS)
    assert (night.first, night.last) == (DS, DS)
    assert {row[n.EVENT_DAY] for row in rows_of(night.behaviours)} == {DS}
    assert night.refused == {"unreadable_time": 1}


@pytest.mark.parametrize(("limit", "fits"), [(0.2726, False), (0.2728, True)])
def test_a_share_of_bad_rows_above_the_limit_stops_and_names_the_reasons(
    spark: SparkSession, limit: float, fits: bool
) -> None:
    """3 of 11 rows are bad; the duplicate and the source's rule are not."""
    shop = source(refuse=(rule("plain", "colour = 'none'"),))
    raw = raw_frame(spark, rows())
    if fits:
        assert ingest(raw, shop, section(bad_row_limit=limit), "UTC", DS).accepted == 6
        return
    with pytest.raises(BadInput, match=r"3 of 11 rows are bad \(2 no_user, 1 unreadable_time\).*bad_row_limit 0\.2726"):
        ingest(raw, shop, section(bad_row_limit=limit), "UTC", DS)


def test_a_rule_may_count_as_bad(spark: SparkSession) -> None:
    shop = source(refuse=(rule("plain", "colour = 'none'", bad=True),))
    with pytest.raises(BadInput, match=r"4 of 11 rows are bad \(2 no_user, 1 plain, 1 unreadable_time\)"):
        ingest(raw_frame(spark, rows()), shop, section(bad_row_limit=0.3), "UTC", DS)


def test_event_types_that_nobody_named_are_bad_and_the_error_says_what_to_do(spark: SparkSession) -> None:
    raw = raw_frame(spark, [*rows(), raw_row(kind="wish")])
    with pytest.raises(BadInput, match=r"1 unknown_event_type.*not in positive_events.*\[\[refuse\]\] rule with bad"):
        ingest(raw, source(), section(bad_row_limit=0.1), "UTC", DS)


def test_a_log_without_a_row_of_these_days_is_refused(spark: SparkSession) -> None:
    with pytest.raises(BadInput, match=r"no row of the log belongs to 2025-01-01 to 2025-01-02"):
        ingest(raw_frame(spark, rows()[:5]), source(), section(look_back_days=2), "UTC", date(2025, 1, 2))


def test_a_column_that_cannot_be_cast_on_some_row_is_bad_input(spark: SparkSession) -> None:
    shop = source(item_features={"size": "cast(amount as int)", "colour": "colour"})
    with pytest.raises(BadInput, match=r"source shop.*many"):
        ingest(raw_frame(spark, [raw_row(), raw_row(amount="many")]).repartition(2), shop, section(), "UTC", DS)


def night(lake: Lake, log: Path) -> Ingested:
    """What jobs/ingest.py does."""
    shop = source()
    made = ingest(read_raw_log(lake.spark, shop, str(log)), shop, section(), "UTC", DS)
    made.check_held(lake.read_or_empty(BEHAVIOURS))
    refused = lake.replace(QUARANTINE, made.quarantine, DS, DS, may_be_empty=True)
    made.check_sums(lake.replace(BEHAVIOURS, made.behaviours, made.first, made.last), refused)
    return made


def test_a_day_that_the_log_lost_is_not_deleted_and_late_rows_are_counted(
    spark: SparkSession, caplog: pytest.LogCaptureFixture
) -> None:
    days = {1: 3, 2: 4}
    before = [
        raw_row(note=f"{day} {row}", at=f"2024-03-0{day} 10:00:00") for day, rows in days.items() for row in range(rows)
    ]
    held = ingest(raw_frame(spark, before), source(), section(), "UTC", DS).behaviours.persist()
    late = [raw_row(note="late", at="2024-03-01 11:00:00"), raw_row(note="next", at="2024-03-03 00:00:00")]
    now = ingest(raw_frame(spark, before + late), source(), section(), "UTC", DS)
    assert (now.dated_after, now.by_day) == (1, {date(2024, 3, 1): 4, date(2024, 3, 2): 4})
    with caplog.at_level("INFO", logger="mind"):
        assert now.check_held(held) == 1
    assert "+1 behaviours of earlier days than 2024-03-02 came late" in caplog.text
    assert now.check_held(held.limit(0)) == 0
    lost = ingest(raw_frame(spark, before[3:]), source(), section(), "UTC", DS)
    with pytest.raises(
        BadInput, match=r"no behaviour of 2024-03-01, but the table holds 3.*Nothing was written.*look_back"
    ):
        lost.check_held(held)


def write_log(folder: Path, parts: list[list[dict]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    for number, part in enumerate(parts):
        pq.write_table(pa.Table.from_pylist(part, schema=RAW), folder / f"part-{number}.parquet")


def test_a_rerun_from_other_files_writes_the_same_rows(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(spark, str(tmp_path / "lake"))
    write_log(tmp_path / "one", [rows()])
    write_log(tmp_path / "three", [rows()[7:], rows()[:3], rows()[3:7]])
    night(lake, tmp_path / "one")
    kept = [rows_of(lake.read(BEHAVIOURS)), rows_of(lake.read(QUARANTINE).drop(n.SOURCE_FILE))]
    assert [len(part) for part in kept] == [6 + 1, 4]
    night(lake, tmp_path / "three")
    assert [rows_of(lake.read(BEHAVIOURS)), rows_of(lake.read(QUARANTINE).drop(n.SOURCE_FILE))] == kept


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_truncated_file_fails_by_its_name_before_anything_is_written(
    spark: SparkSession, tmp_path: Path, part: int
) -> None:
    write_log(tmp_path / "log", [rows()[:3], rows()[3:6], rows()[6:]])
    cut = tmp_path / "log" / f"part-{part}.parquet"
    cut.write_bytes(cut.read_bytes()[:-300])
    lake = Lake(spark, str(tmp_path / "lake"))
    with pytest.raises(BadInput, match=rf"part-{part}\.parquet"):
        night(lake, tmp_path / "log")
    assert not (tmp_path / "lake").exists()


def test_a_file_with_a_damaged_page_fails_by_its_name_before_anything_is_written(
    spark: SparkSession, tmp_path: Path
) -> None:
    write_log(tmp_path / "log", [rows()[:3], rows()[3:]])
    cut = tmp_path / "log" / "part-1.parquet"
    content = bytearray(cut.read_bytes())
    content[4:120] = b"\xff" * 116
    cut.write_bytes(bytes(content))
    lake = Lake(spark, str(tmp_path / "lake"))
    with pytest.raises(BadInput, match=r"part-1\.parquet"):
        night(lake, tmp_path / "log")
    assert not (tmp_path / "lake").exists()
