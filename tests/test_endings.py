"""How jobs and runs end that fail: one message that says what to do, an exit code, and nothing after them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mind.launch import Run, job

ROOT = Path(__file__).resolve().parent.parent

FROM_SPARK = "An error occurred.\n: SparkException\nCaused by: java.io.IOException: No space left on device\n\tat a.b"


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/lake/x"), RuntimeError(FROM_SPARK)]
)
def test_a_full_disk_is_one_message_and_an_exit_code(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @job("retrieve")
    def main(run: Run) -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["retrieve.py", "--ds", "2011-12-08", "--set", f"logs.folder={tmp_path}"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    (told,) = capsys.readouterr().out.splitlines()
    assert "No space left on device" in told
    assert "run the same command again" in told


def test_any_other_error_is_shown_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @job("retrieve")
    def main(run: Run) -> None:
        raise RuntimeError("something else")

    monkeypatch.setattr(sys, "argv", ["retrieve.py", "--ds", "2011-12-08", "--set", f"logs.folder={tmp_path}"])
    with pytest.raises(RuntimeError, match="something else"):
        main()


def test_an_expected_error_ends_a_job_with_its_code_and_one_line(tmp_path: Path) -> None:
    words = [sys.executable, "jobs/train.py", "--ds", "2011-12-08", "--set", f"lake.root={tmp_path}/lake"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 1
    assert "FAILED: no tuples for 2011-12-08" in done.stdout
    assert "run build_tuples --ds 2011-12-08 first" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_failed_step_ends_the_run_with_its_code_and_nothing_after_it_runs(tmp_path: Path) -> None:
    flags = ["--ds", "2011-12-08", "--set", f"lake.root={tmp_path}/lake", "--set", f"report.folder={tmp_path}/report"]
    words = [sys.executable, "-m", "mind.launch", "run", "evaluate", "report", *flags]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert "stopped in the step named last (exit code 2)" in done.stdout
    assert "== report" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
