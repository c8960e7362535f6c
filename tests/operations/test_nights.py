"""What is published and whether it is in time, by the real command line and without Spark."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mind.config import load
from mind.operations.nights import Stale, check_fresh, due_night, newest_night, publications, told
from mind.tables import PUBLICATIONS
from mind.tables import names as n

DS = date(2011, 12, 8)
GATES = json.dumps([{"name": "lists", "passed": True}, {"name": "coverage", "passed": True}])


def publish(root: Path, *rows: tuple[date, str, str]) -> str:
    """The record as a Delta table of one file: (night, action, content) in the order of time."""
    held = [
        {
            n.PUBLICATION_ID: f"{ds}/{place}/{content}",
            n.DS: ds,
            n.ACTION: action,
            n.CONTENT: content,
            n.TABLE_VERSION: place,
            n.GATES: GATES,
            n.MODEL_VERSION: "7",
            n.PUBLISHED_AT: datetime(2011, 12, 9, 3, place, tzinfo=UTC),
        }
        for place, (ds, action, content) in enumerate(rows)
    ]
    log = root / "publications" / "_delta_log"
    log.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(held, schema=PUBLICATIONS.schema()), root / "publications" / "p 1.parquet")
    add = {"add": {"path": "p%201.parquet", "partitionValues": {}}}
    (log / f"{0:020d}.json").write_text(json.dumps(add))
    return str(root)


def test_readers_see_the_last_publication_of_each_night(tmp_path: Path) -> None:
    before = DS - timedelta(days=1)
    rows = ((before, "publish", "3-a"), (DS, "publish", "2-b"), (DS, "publish", "4-c"), (DS, "rollback", "2-b"))
    held = publications(publish(tmp_path, *rows))
    assert [one.seen for one in held] == [True, False, False, True]
    assert [one.lists for one in held] == [3, 2, 4, 2]
    lines = told(held).splitlines()
    assert [line.startswith("*  ") for line in lines[:5]] == [False, True, False, False, True]
    assert lines[5:] == ["", "* what readers of that night see now"]
    assert "2011-12-08" in lines[4]
    assert "2 of 2 passed" in lines[4]
    newest = newest_night(held)
    assert newest is not None
    assert newest.ds == DS


def test_a_withdrawn_night_is_seen_by_nobody(tmp_path: Path) -> None:
    before = DS - timedelta(days=1)
    rows = ((before, "publish", "3-a"), (DS, "publish", "2-b"), (DS, "rollback", "0-0000000000000000"))
    held = publications(publish(tmp_path, *rows))
    newest = newest_night(held)
    assert newest is not None
    assert newest.ds == before
    assert told(held).endswith("\n* what readers of that night see now\nreaders see nothing of 2011-12-08")
    assert told(held[1:]).endswith("\n\nreaders see no night")


@pytest.mark.parametrize(
    ("now", "zone", "due"),
    [
        ("2011-12-09T06:00:00+00:00", "UTC", "2011-12-08"),
        ("2011-12-09T05:59:59+00:00", "UTC", "2011-12-07"),
        ("2011-12-09T05:00:00+00:00", "Europe/Berlin", "2011-12-08"),
        ("2011-06-09T04:00:00+00:00", "Europe/Berlin", "2011-06-08"),  # in summer Berlin is two hours ahead
        ("2011-12-08T21:00:00+00:00", "Asia/Tokyo", "2011-12-08"),
    ],
)
def test_a_night_is_due_at_the_deadline_of_the_lakes_zone(now: str, zone: str, due: str) -> None:
    config = load(overrides=[f"lake.time_zone={zone}"])
    assert due_night(datetime.fromisoformat(now), config).isoformat() == due


def test_a_late_night_is_told_with_what_readers_see(tmp_path: Path) -> None:
    held = publications(publish(tmp_path, (DS, "publish", "2-b")))
    on_time, late = datetime(2011, 12, 10, 5, 59, tzinfo=UTC), datetime(2011, 12, 10, 6, 0, tzinfo=UTC)
    assert "readers see the night of 2011-12-08" in check_fresh(held, on_time, load())
    with pytest.raises(Stale, match=r"readers see the night of 2011-12-08, .*; due is 2011-12-09 \(deadline 06:00:00"):
        check_fresh(held, late, load())
    berlin = load(overrides=["lake.time_zone=Europe/Berlin"])
    with pytest.raises(Stale, match="a historical log") as stale:
        check_fresh(held, late + timedelta(days=5000), berlin)
    asked = datetime.fromisoformat(str(stale.value).split("--at ")[1])
    assert asked == datetime(2011, 12, 9, 5, tzinfo=UTC)
    assert check_fresh(held, asked, berlin).startswith("fresh: ")
    with pytest.raises(Stale, match="readers see no night"):
        check_fresh([], on_time, load())


def test_a_night_that_was_rolled_back_is_named_by_freshness(tmp_path: Path) -> None:
    after = DS + timedelta(days=1)
    rows = ((DS, "publish", "2-b"), (after, "publish", "3-c"), (after, "rollback", "0-0000000000000000"))
    held = publications(publish(tmp_path, *rows))
    with pytest.raises(Stale, match=r"night of 2011-12-08, .* \(2011-12-09 was rolled back: publish it again"):
        check_fresh(held, datetime(2011, 12, 10, 6, 0, tzinfo=UTC), load())


def mind(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "mind.cli", *words], capture_output=True, text=True, check=False)


def test_a_monitor_tells_by_the_exit_code_and_no_java_is_started(tmp_path: Path) -> None:
    root = publish(tmp_path, (DS, "publish", "2-b"))
    place = ("--set", f"lake.root={root}")
    fresh, late = "2011-12-09T06:00:00Z", "2011-12-10T06:00:00Z"
    assert mind("freshness", "--at", fresh, *place).returncode == 0
    stale = mind("freshness", "--at", late, *place)
    assert (stale.returncode, stale.stdout) == (5, "")
    assert "due is 2011-12-09" in stale.stderr
    nothing = mind("nights", "--set", f"lake.root={tmp_path}/none")
    assert nothing.returncode == 2
    assert f"nothing was published yet in the lake at {tmp_path}/none" in nothing.stderr
    assert "--config" in nothing.stderr
    code = "import sys, mind.cli; sys.argv = ['mind', 'nights', '--set', 'lake.root=' + sys.argv[1]]; mind.cli.main(); "
    code += "assert not {'pyspark', 'torch', 'mlflow', 'pandas'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, root], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2-b" in done.stdout
