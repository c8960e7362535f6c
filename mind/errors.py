"""The errors that are an answer, not a crash: a job prints their message alone and ends with their exit code."""

from __future__ import annotations


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
