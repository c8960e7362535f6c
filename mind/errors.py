"""The errors that are an answer, not a crash: a job prints their message alone and ends with their exit code."""

from __future__ import annotations

import re


class MindError(Exception):
    """Something that the person who runs the step can act on: value found, rule, remedy."""

    exit_code = 2


class BadInput(MindError):
    """Input that cannot become a table: a missing or corrupt log, too many bad rows, a changed column."""


class BrokenPromise(MindError):
    """Rows do not add up, a table breaks its contract, or parts of different versions meet."""

    exit_code = 3


class GateFailed(MindError):
    """The night was computed but may not be published; readers keep the last one."""

    exit_code = 4


FULL_DISK = (
    "A disk is full: the lake's, Spark's scratch space (spark.local.dir) or /tmp. What was half written is part of no "
    "table. Free space (jobs/maintain.py deletes what no retained night needs) and run the same command again"
)
_FULL = re.compile(r"[^\n]*(No space left on device|Disk quota exceeded)[^\n]*")
_STATE = re.compile(r"\s*SQLSTATE: \w{5}\b.*$")
"""What Spark adds for programs, with a place in an expression that it was given alone ("line 1 pos 0")."""


def told_of_full_disk(error: Exception) -> str | None:
    """The line that says that a disk is full, from Python, Spark or whatever it runs; None for any other error."""
    found = _FULL.search(str(error))
    return found.group(0).strip() if found else None


def told_by_spark(error: Exception) -> str | None:
    """What Spark says after an error class ("[FAILED_READ_FILE] ... file x"); None where the error has no class.

    A job that fails in a task arrives as a page of Java, and what matters is in its middle.
    """
    told = re.search(r"\[[A-Z][A-Z0-9_.]+\] [^\n]*", str(error))
    return _STATE.sub("", told.group(0)) if told else None


def first_line(error: Exception) -> str:
    """The first line of what an error says, without SQLSTATE; its name where it says nothing."""
    return _STATE.sub("", next(iter(str(error).splitlines()), type(error).__name__))
