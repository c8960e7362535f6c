"""The reader without Spark sees what Spark sees: after commits, a checkpoint, compaction and deletion."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from mind.errors import BrokenPromise, MindError
from mind.storage.lake import Lake
from mind.storage.plain_delta import read_plainly
from mind.tables import USERS
from mind.tables import names as n
from tests.storage.frames import frame_of, rows_of

DS = date(2011, 12, 8)
MOMENT = datetime(2011, 12, 8, 23, 59, 59, 123456, tzinfo=UTC)


def test_it_reads_what_spark_reads(spark: SparkSession, tmp_path: Path) -> None:
    root = str(tmp_path / "a b%20c")
    lake = Lake(spark, root)

    def write(ds: date, *users: str) -> None:
        rows = [
            {n.DS: ds, n.USER_ID: user, n.PROFILE: [1, 0], n.BEHAVIOURS: 3, n.FIRST_SEEN: MOMENT, n.LAST_SEEN: MOMENT}
            for user in users
        ]
        lake.replace(USERS, frame_of(spark, USERS, rows), ds, ds)

    def agrees() -> bool:
        return sorted(map(repr, read_plainly(root, USERS).to_pylist())) == sorted(map(repr, rows_of(lake.read(USERS))))

    write(DS, "ü 1", "2")
    spark.sql(f"ALTER TABLE delta.`{lake.path(USERS)}` SET TBLPROPERTIES ('delta.checkpointInterval' = '2')")
    write(DS - timedelta(days=1), "3")
    write(DS, "4")
    assert list((Path(lake.path(USERS)) / "_delta_log").glob("*.checkpoint*.parquet")), "no checkpoint was rehearsed"
    assert agrees()
    assert {row[n.USER_ID] for row in read_plainly(root, USERS).to_pylist()} == {"3", "4"}


def table_of(folder: Path, *commits: list[dict]) -> str:
    """A table by hand: what Spark would write, with the actions given."""
    log = folder / "users" / "_delta_log"
    log.mkdir(parents=True)
    for version, actions in enumerate(commits):
        (log / f"{version:020d}.json").write_text("\n".join(json.dumps(action) for action in actions))
    return str(folder)


def test_what_it_does_not_know_it_refuses(tmp_path: Path) -> None:
    with pytest.raises(MindError, match="there is no Delta table at"):
        read_plainly(str(tmp_path), USERS)
    vectors = {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"]}}
    with pytest.raises(MindError, match="uses deletionVectors; read it with Spark"):
        read_plainly(table_of(tmp_path / "features", [vectors]), USERS)
    mapped = {"metaData": {"configuration": {"delta.columnMapping.mode": "name"}}}
    with pytest.raises(MindError, match="maps its columns"):
        read_plainly(table_of(tmp_path / "mapped", [mapped]), USERS)


def test_a_hole_in_the_log_is_no_table(tmp_path: Path) -> None:
    root = table_of(tmp_path, [], [], [])
    (tmp_path / "users" / "_delta_log" / f"{1:020d}.json").unlink()
    with pytest.raises(BrokenPromise, match="has no commit 1"):
        read_plainly(root, USERS)


def test_a_checkpoint_of_which_a_part_is_missing_is_not_begun_with(tmp_path: Path) -> None:
    root = table_of(tmp_path, [{"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}], [])
    part = tmp_path / "users" / "_delta_log" / f"{1:020d}.checkpoint.{1:010d}.{2:010d}.parquet"
    pq.write_table(pa.table({"add": pa.array([{"path": "nowhere.parquet"}])}), part)
    assert read_plainly(root, USERS).num_rows == 0
