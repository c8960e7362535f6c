"""What the runs' logs say of a night: how long its steps took, and how many rows came in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

NEWEST = 30
"""Logs of runs that are looked at, the newest; a night may be made of several runs."""
READ, KEPT, REFUSED = "rows_read", "rows_kept", "rows_refused"


def lines_of(folder: str, ds: str) -> list[dict[str, Any]]:
    """The lines about a night, in the order of time; none where no logs are kept."""
    if not folder or not Path(folder).is_dir():
        return []
    logs = sorted(Path(folder).glob("*.jsonl"), key=lambda file: file.stat().st_mtime)[-NEWEST:]
    found = [line for file in logs for line in _lines(file) if line.get("ds") == ds]
    return sorted(found, key=lambda line: str(line["time"]))


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    for text in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield json.loads(text)
        except json.JSONDecodeError:
            continue  # the process was killed while it wrote the line


def seconds_by_step(lines: list[dict[str, Any]], steps: Iterable[str]) -> dict[str, float]:
    """Seconds of the last time that each step ended, in the order of `steps`. The step that asks has not ended yet."""
    ended = {line["step"]: float(line["seconds"]) for line in lines if line["message"] == "done" and "seconds" in line}
    return {step: ended[step] for step in steps if step in ended}


def rows_read(lines: list[dict[str, Any]]) -> dict[str, int]:
    """Rows that the last ingest of the night read, kept and refused; empty where no line says so."""
    told = [line for line in lines if line["step"] == "ingest" and READ in line and REFUSED in line]
    return {name: int(told[-1][name]) for name in (READ, KEPT, REFUSED)} if told else {}
