"""The log of a job: lines for people on standard output, the same lines as JSON for machines in a file of the run.

Each JSON line holds `time` (UTC), `run` (one id for all jobs of a night), `step`, `ds`, `level`, `message`, and where
the line is about a table `table` with `rows_read`, `rows_kept` or `rows_written`.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from mind.redaction import redacted

RUN_ID = "MIND_RUN_ID"
"""Environment variable that carries the run's id to every job of it."""
FIELDS = ("table", "rows_read", "rows_kept", "rows_refused", "rows_written", "rows_deleted", "seconds")
log = logging.getLogger("mind")


def new_run_id() -> str:
    """The id that a scheduler or the launcher gave, else a new one."""
    return os.environ.get(RUN_ID) or f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"


class Lines(logging.Formatter):
    """Lines for people."""

    def __init__(self, step: str) -> None:
        super().__init__(f"%(asctime)s {step:<16} %(message)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


class JsonLines(logging.Formatter):
    """Lines for machines."""

    def __init__(self, run: str, step: str, ds: str | None) -> None:
        super().__init__()
        self._stamps = {"run": run, "step": step, "ds": ds}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            **self._stamps,
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        return redacted(json.dumps(line, ensure_ascii=False, default=str))


def start(step: str, ds: str | None, folder: str) -> None:
    """Let the log of this process speak for a step; `folder` holds the runs' JSON files, empty for none.

    A job that shares its application with others starts its own log after theirs.
    """
    log.setLevel(logging.DEBUG)
    people = logging.StreamHandler(sys.stdout)
    people.setFormatter(Lines(step))
    people.setLevel(logging.INFO)
    logging.basicConfig(handlers=[people], force=True)
    if folder:
        run = new_run_id()
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        machines = logging.FileHandler(place / f"{_file_name(run)}.jsonl", encoding="utf-8", delay=True)
        machines.setFormatter(JsonLines(run, step, ds))
        machines.addFilter(logging.Filter("mind"))
        logging.getLogger().addHandler(machines)
    sys.excepthook = _crash


def timed(started: float) -> dict[str, float]:
    """The `extra` of a line that says how long something took."""
    return {"seconds": round(time.monotonic() - started, 3)}


def _file_name(run: str) -> str:
    """A run's id may be a scheduler's (`scheduled__2011-12-08T00:00:00+00:00`): what no file system minds stays."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in run)


def _crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What Python prints of an error that nobody expected, without secrets; it may quote an address."""
    text = redacted("".join(traceback.format_exception(kind, error, trace)))
    sys.stderr.write(text)
    log.debug("crashed: %s", text)
