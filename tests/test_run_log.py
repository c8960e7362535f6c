"""Lines for people and the same lines for machines."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mind import run_log

ROOT = Path(__file__).resolve().parent.parent
log = logging.getLogger("mind")


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    root, hook, level = logging.getLogger(), sys.excepthook, log.level
    handlers = root.handlers[:]
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers, sys.excepthook = handlers, hook
    log.setLevel(level)


def test_a_line_about_a_table_has_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(run_log.RUN_ID, "scheduled__2011-12-08T00:00:00+00:00")
    monkeypatch.setattr("sys.stdout", sys.stdout)
    run_log.start("ingest", "2011-12-08", str(tmp_path / "logs"))
    log.info("behaviours: %s rows", "1,234", extra={"table": "behaviours", "rows_written": 1234})
    log.debug("done", extra={"seconds": 1.5})
    logging.getLogger("py4j").error("not ours")
    (file,) = (tmp_path / "logs").iterdir()
    assert file.name == "scheduled__2011-12-08T00_00_00_00_00.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    stamps = {"run": "scheduled__2011-12-08T00:00:00+00:00", "step": "ingest", "ds": "2011-12-08"}
    assert [{key: value for key, value in line.items() if key != "time"} for line in lines] == [
        stamps | {"level": "info", "message": "behaviours: 1,234 rows", "table": "behaviours", "rows_written": 1234},
        stamps | {"level": "debug", "message": "done", "seconds": 1.5},
    ]
    printed = capsys.readouterr().out
    assert "ingest           behaviours: 1,234 rows" in printed
    assert "done" not in printed, "people are not told what they see"


def test_jobs_of_one_run_write_one_file(tmp_path: Path) -> None:
    for job in ("evaluate", "compare"):
        words = [sys.executable, f"jobs/{job}.py", "--ds", "2011-12-08", "--set", f"logs.folder={tmp_path}/logs"]
        words += ["--set", f"lake.root={tmp_path}/lake", "--set", f"tracking.uri=sqlite:///{tmp_path}/m.db"]
        done = subprocess.run(
            words, capture_output=True, check=False, cwd=ROOT, env=os.environ | {run_log.RUN_ID: "r 1"}
        )
        assert done.returncode == 2
    lines = [json.loads(line) for line in (tmp_path / "logs" / "r_1.jsonl").read_text().splitlines()]
    assert {(line["run"], line["ds"]) for line in lines} == {("r 1", "2011-12-08")}
    failed = [line for line in lines if line["level"] == "error"]
    assert [line["step"] for line in failed] == ["evaluate", "compare"]
    assert all(line["message"].startswith("FAILED: ") and line["seconds"] >= 0 for line in failed)
