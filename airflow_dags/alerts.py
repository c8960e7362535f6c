"""What people hear of: a task that failed for good, a night that is late."""

from __future__ import annotations

import logging
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

from mind.redaction import redacted

log = logging.getLogger("mind.alerts")

PATIENCE_S = 60


def message(context: Mapping[str, Any]) -> str:
    """What failed, for which day, and where to look."""
    task, run = context.get("ti") or context.get("task_instance"), context.get("dag_run")
    place = f"{getattr(task, 'dag_id', None) or getattr(run, 'dag_id', '?')}.{getattr(task, 'task_id', '-')}"
    error = str(context.get("exception") or context.get("reason") or "no reason given").splitlines()
    return redacted(
        f"{place} failed in run {getattr(run, 'run_id', '?')} (try {getattr(task, 'try_number', '?')}): "
        f"{error[0] if error else ''}\nReaders keep the last published night. Log: {getattr(task, 'log_url', '?')}\n"
        "What to do: docs/operations.md"
    )


def failed(context: Mapping[str, Any], command: str = "") -> None:
    """Tell people by the command of `schedule.alert`, which gets the message on its standard input."""
    tell(message(context), command)


def late(context: Mapping[str, Any] | None = None, *, deadline: str, command: str = "", **_: Any) -> None:
    """A night that is not done at its deadline; the scheduler tells of the run in the words of its API."""
    run = (context or {}).get("dag_run") or {}
    name, begins = run.get("dag_run_id", "?"), run.get("logical_date", "?")
    tell(f"the night is late: not published by {deadline} (run {name} for the day that begins {begins})", command)


def tell(text: str, command: str) -> None:
    """Write the message into the log and hand it to the command; an alert that fails, fails nothing."""
    log.error("%s", text)
    if not command:
        return
    try:
        subprocess.run(shlex.split(command), input=text, text=True, timeout=PATIENCE_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        log.error("the alert command failed: %s", redacted(str(error)))
