"""Whoever is woken because a disk is full reads one message, not a page of Java."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from mind.launch import Run, job

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
