"""A day's log is complete when its producer says so."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from mind.cli import main
from mind.errors import BadInput
from mind.operations.watermark import NotYet, check_complete

DS = date(2011, 12, 8)


@pytest.mark.parametrize(
    ("reached", "zone", "complete"),
    [
        ("2011-12-09T00:00:00Z", "UTC", True),
        ("2011-12-08T23:59:59.999999Z", "UTC", False),
        ("2011-12-08T23:00:00Z", "Europe/Berlin", True),
        ("2011-12-09T00:00:00+01:00", "Europe/Berlin", True),
        ("2011-12-08T23:00:00Z", "UTC", False),
    ],
)
def test_a_day_ends_at_its_midnight(tmp_path: Path, reached: str, zone: str, complete: bool) -> None:
    file = tmp_path / "water mark"
    file.write_text(f"{reached}\n")
    if complete:
        assert "complete up to" in check_complete(str(file), DS, zone)
    else:
        with pytest.raises(NotYet, match="2011-12-08 ends at"):
            check_complete(str(file), DS, zone)


def test_a_file_that_is_not_there_is_waited_for_and_one_that_is_no_moment_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotYet, match="does not exist yet"):
        check_complete(str(tmp_path / "none"), DS, "UTC")
    for text in ("", "yesterday", "2011-12-09T00:00:00"):
        (tmp_path / "mark").write_text(text)
        with pytest.raises(BadInput, match="one moment with its zone, for example 2011-12-09T00:00:00"):
            check_complete(str(tmp_path / "mark"), DS, "UTC")


def test_the_scheduler_tells_not_yet_from_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = tmp_path / "mark"
    argv = ["mind", "ready", "--ds", "2011-12-08", "--set", f"ingest.watermark={mark}"]
    monkeypatch.setattr("sys.argv", argv)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 99
    mark.write_text("soon")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    mark.write_text("2011-12-09T00:00:00Z")
    main()
    assert "complete up to 2011-12-09" in capsys.readouterr().out
