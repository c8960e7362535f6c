"""Back to any publication of a night, after its files were compacted and the old ones vacuumed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from mind.errors import BrokenPromise, MindError
from mind.publishing.publication import night_before
from mind.publishing.rollback import NONE, Goal, goal_of
from mind.storage.lake import Lake
from mind.tables import CANDIDATES, PUBLICATIONS
from mind.tables import names as n
from tests.publishing.published import lists, publish, run_job, seen
from tests.storage.frames import frame_of

DS = date(2011, 12, 8)
BEFORE, AFTER = DS - timedelta(days=1), DS + timedelta(days=1)
FLAGS = ("--ds", DS.isoformat())


def goal(spark: SparkSession, rows: list[dict[str, Any]], seen_now: str, to: str | None = None) -> str:
    filled = [
        {n.PUBLICATION_ID: row[n.CONTENT], n.DS: DS, n.GATES: "[]", n.MODEL_VERSION: "7", n.TABLE_VERSION: place}
        | {n.PUBLISHED_AT: datetime(2011, 12, 9, place, tzinfo=UTC), n.ACTION: "publish"}
        | row
        for place, row in enumerate(rows)
    ]
    return goal_of(frame_of(spark, PUBLICATIONS, filled), DS, to, seen_now).name


def test_the_goal_is_what_readers_saw_before(spark: SparkSession) -> None:
    first, second = {n.CONTENT: "2-a"}, {n.CONTENT: "4-b"}
    assert goal(spark, [first, second], "4-b") == "2-a"
    assert goal(spark, [first, second], "2-a") == "2-a", "a rollback that was cut off after its commit is finished"
    assert goal(spark, [first, second], "5-strange") == "4-b", "a publish that was cut off before its record is undone"
    assert goal(spark, [first], "2-a") == NONE, "before its first publication readers saw nothing of the night"
    forgotten = {n.CONTENT: "3-b", n.ACTION: "forget"}
    assert goal(spark, [first, second, forgotten], "3-b") == "2-a", "a deletion is nothing to go back from"
    back = {n.CONTENT: "2-a", n.PUBLICATION_ID: "back", n.ACTION: "rollback"}
    with pytest.raises(MindError, match=r"rolled back already; say how far with --to: none, or one of 2-a \(publish\)"):
        goal(spark, [first, second, back], "2-a")
    assert goal(spark, [first, second, back], "2-a", to="4-b") == "4-b"
    with pytest.raises(MindError, match="has no publication '9-z'; it has 2-a"):
        goal(spark, [first], "2-a", to="9-z")
    other = {n.CONTENT: "1-x", n.DS: BEFORE}
    with pytest.raises(MindError, match="never published"):
        goal(spark, [other], "0-0000000000000000")


def test_a_version_that_holds_something_else_is_refused(spark: SparkSession) -> None:
    row = {n.PUBLICATION_ID: "p", n.CONTENT: "2-a", n.TABLE_VERSION: 3}
    published = Goal(publication=frame_of(spark, PUBLICATIONS, [row]).first())
    published.check("2-a")
    with pytest.raises(BrokenPromise, match=r"version 3 of the table holds 2-b"):
        published.check("2-b")


def test_what_readers_see_after_a_rollback_is_told(spark: SparkSession, caplog: pytest.LogCaptureFixture) -> None:
    def told(to: Goal, *days: date) -> str:
        caplog.clear()
        held = [{n.DS: day, n.USER_ID: f"u{number}"} for number, day in enumerate(days)]
        to.tell(frame_of(spark, CANDIDATES, held), DS)
        return caplog.messages[0]

    caplog.set_level("INFO", logger="mind")
    published = Goal(publication=frame_of(spark, PUBLICATIONS, [{n.PUBLICATION_ID: "p"}]).first())
    assert told(published, AFTER, DS, DS, BEFORE) == f"readers of {DS} see p now: 2 lists"
    nothing = Goal(publication=None)
    assert told(nothing, BEFORE - timedelta(days=3), BEFORE) == (
        f"readers see nothing of {DS} now; they see {BEFORE} as the newest night"
    )
    assert told(nothing) == f"readers see nothing of {DS} now; they see no other night"


@pytest.mark.slow
def test_rollback_after_compaction_and_vacuum(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = Lake(spark, str(tmp_path / "lake"))
    publish(lake, BEFORE, 3)
    good = publish(lake, DS, 2, "good")
    bad = publish(lake, DS, 4, "bad")
    run_job(monkeypatch, lake, "maintain", *FLAGS)
    assert "maintenance left out" not in capsys.readouterr().out
    vacuumed = DeltaTable.forPath(spark, lake.path(CANDIDATES)).history().where("operation = 'VACUUM END'")
    assert vacuumed.count() == 1, "nothing was rehearsed"

    version = lake.version(CANDIDATES)
    run_job(monkeypatch, lake, "rollback", *FLAGS)
    assert seen(lake) == {f"{BEFORE} a": 3, f"{DS} good": 2}
    assert lake.version(CANDIDATES) == version + 1, "readers could see something between two commits"
    with pytest.raises(SystemExit) as ended:
        run_job(monkeypatch, lake, "rollback", *FLAGS)
    assert ended.value.code == 2
    assert "rolled back already" in capsys.readouterr().out

    run_job(monkeypatch, lake, "rollback", *FLAGS, "--to=none")
    assert seen(lake) == {f"{BEFORE} a": 3}
    assert f"readers see nothing of {DS} now; they see {BEFORE} as the newest night" in capsys.readouterr().out
    measured_by = night_before(lake.read(PUBLICATIONS), lake.read(CANDIDATES), AFTER)
    assert measured_by is not None
    assert measured_by.count() == 3, "a withdrawn night is no measure"
    run_job(monkeypatch, lake, "rollback", *FLAGS, f"--to={bad}")
    assert seen(lake) == {f"{BEFORE} a": 3, f"{DS} bad": 4}

    rows = lake.read(PUBLICATIONS).orderBy(n.TABLE_VERSION).collect()
    assert [row[n.ACTION] for row in rows] == ["publish"] * 3 + ["rollback"] * 3
    assert [row[n.REPLACES] for row in rows[1:]] == [row[n.PUBLICATION_ID] for row in rows[:-1]]
    assert rows[3][n.CONTENT] == good.split("/")[2]
    assert rows[5][n.MODEL_VERSION] == "7"


@pytest.mark.slow
def test_a_rollback_that_was_cut_off_is_finished_and_what_was_vacuumed_is_refused(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = Lake(spark, str(tmp_path / "lake"))
    good = publish(lake, DS, 2, "good")
    publish(lake, DS, 4, "bad")
    # kill -9 between the two commits leaves the lists of the first and no record.
    lake.replace(CANDIDATES, lists(lake, DS, 2, "good"), DS, DS)
    run_job(monkeypatch, lake, "rollback", *FLAGS)
    last = lake.read(PUBLICATIONS).orderBy(n.PUBLISHED_AT).collect()[-1]
    assert (last[n.ACTION], seen(lake)) == ("rollback", {f"{DS} good": 2})
    run_job(monkeypatch, lake, "rollback", *FLAGS, f"--to={good}")
    assert lake.read(PUBLICATIONS).count() == 3, "what readers see already is not recorded again"

    # A publish that was cut off: readers see lists that are recorded nowhere.
    lake.replace(CANDIDATES, lists(lake, DS, 5, "strange"), DS, DS)
    run_job(monkeypatch, lake, "rollback", *FLAGS)
    assert seen(lake) == {f"{DS} good": 2}

    spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    try:
        DeltaTable.forPath(spark, lake.path(CANDIDATES)).vacuum(0)
    finally:
        spark.conf.unset("spark.databricks.delta.retentionDurationCheck.enabled")
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        run_job(monkeypatch, lake, "rollback", *FLAGS, f"--to={good}")
    assert ended.value.code == 2
    assert "vacuumed" in capsys.readouterr().out
    assert seen(lake) == {f"{DS} good": 2}
