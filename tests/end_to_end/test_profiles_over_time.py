"""Profiles of a file with moments by the jobs themselves: an old day run again sees what it saw then."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from mind.behaviours.persons import request
from mind.storage.lake import Lake
from mind.storage.tuple_files import read_manifest
from mind.tables import FORGOTTEN, PROFILES, USERS, VOCABULARY
from mind.tables import names as n
from tests.publishing.published import run_job
from tests.storage.frames import rows_of

ROOT = Path(__file__).resolve().parent.parent.parent
DS = date(2024, 3, 8)
START = datetime(2024, 3, 1, 9, tzinfo=UTC)
SOURCE = """
name = "club"
description = "a club that exists in tests"
format = "parquet"
path = "log/events.parquet"
time_zone = "UTC"
positive_events = ["buy"]
user_features = { level = "user_file.level", city = "user_file.city" }

[columns]
user_id = "who"
item_id = "what"
event_type = "'buy'"
event_time = "at"

[user_file]
path = "members.csv"
format = "csv"
options = { header = "true" }
key = "member"
moment = "since"
columns = { level = "level", city = "city" }
"""
MEMBERS = """member,since,level,city
u0,2024-02-01,silver,Lima
u0,2024-03-04 12:00:00,gold,Lima
u1,2024-03-03,silver,Lyon
u2,2024-03-08 23:59:59,gold,Lyon
"""
GROWN = "u0,2024-03-09,silver,Oslo\nu3,2024-03-10,gold,Oslo\n"
LEVELS, CITIES = ("gold", "silver"), ("Lima", "Lyon")


def world(folder: Path) -> None:
    (folder / "conf" / "sources").mkdir(parents=True)
    (folder / "conf" / "sources" / "club.toml").write_text(SOURCE)
    (folder / "conf" / "default.toml").symlink_to(ROOT / "conf" / "default.toml")
    (folder / "jobs").symlink_to(ROOT / "jobs")
    (folder / "log").mkdir()
    rows = [
        {"who": f"u{user}", "what": f"i{(user + day) % 3}", "at": START + timedelta(days=day, minutes=user)}
        for user in range(4)
        for day in range(8)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "log" / "events.parquet")


def expected(user: str, as_of: datetime) -> list[int]:
    """Level and city as codes: by their order in the alphabet, from 2."""
    known = [line.split(",") for line in MEMBERS.splitlines()[1:]]
    known = [row for row in known if row[0] == user and datetime.fromisoformat(row[1]).replace(tzinfo=UTC) < as_of]
    if not known:
        return [0, 0]
    _, _, level, city = max(known, key=lambda row: row[1])
    return [LEVELS.index(level) + 2, CITIES.index(city) + 2]


@pytest.mark.slow
def test_an_old_day_gives_the_same_profiles_vocabulary_and_tuples_when_the_file_has_grown(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world(tmp_path)
    monkeypatch.chdir(tmp_path)
    lake = Lake(spark, str(tmp_path / "lake"))
    # Java stays where it was started, so the log is named from the root.
    chosen = ("ingest.source=club", f"ingest.path={tmp_path}/log/events.parquet", "ingest.look_back_days=10")
    chosen = (*chosen, "tuples.train_days=6", "tuples.validation_days=1", "tuples.test_days=1")
    words = [word for text in chosen for word in ("--set", text)]

    def night(ds: date, *steps: str) -> None:
        for step in steps:
            run_job(monkeypatch, lake, step, "--ds", ds.isoformat(), *words)

    def found() -> list[list[dict[str, object]]]:
        tables = [lake.read(PROFILES, DS), lake.read(USERS, DS), lake.read(VOCABULARY).drop(n.ADDED_DS)]
        splits = read_manifest(str(tmp_path / "lake"), DS).splits.values()
        tuples = spark.read.parquet(*[file.url for files in splits for file in files])
        return [rows_of(frame) for frame in (*tables, tuples)]

    (tmp_path / "log" / "members.csv").write_text(MEMBERS)
    night(DS, "ingest", "build_vocabulary", "build_tuples")
    then = found()
    assert len(then[3]) > 20
    for row in then[3]:
        assert row[n.PROFILE] == expected(str(row[n.USER_ID]), row[n.TARGET_TIME]), row  # type: ignore[arg-type]
    end = datetime(2024, 3, 9, tzinfo=UTC)
    assert {row[n.USER_ID]: row[n.PROFILE] for row in then[1]} == {f"u{k}": expected(f"u{k}", end) for k in range(4)}
    assert len(then[0]) == 4

    (tmp_path / "log" / "members.csv").write_text(MEMBERS + GROWN)
    night(DS, "ingest", "build_vocabulary", "build_tuples")
    assert found() == then

    lake.add(FORGOTTEN, lambda held: request(held, "u0"))
    night(DS + timedelta(days=1), "ingest")
    assert {row[n.USER_ID] for row in rows_of(lake.read(PROFILES, DS + timedelta(days=1)))} == {"u1", "u2"}
