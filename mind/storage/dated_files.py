"""Logs that are cut into days: the files of the days that a night needs, found by one listing and read alone."""

from __future__ import annotations

import re
from datetime import date

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from mind.errors import BadInput

DAY = "{ds}"
"""Stands in a path for the day on which rows were logged, written as YYYY-MM-DD."""
_ANY_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_A_DAY = r"(\d{4}-\d{2}-\d{2})"


def dated_paths(spark: SparkSession, path: str, first: date, last: date) -> list[str]:
    """What lies at `path` for the days from `first` to `last`, in the order of the days; days may be missing.

    Raises:
        BadInput: the path names the day twice, what it finds is no day, or there is nothing for these days.
    """
    if path.count(DAY) != 1:
        raise BadInput(f"the log's path {path} holds {DAY} more than once; write it once, where the day stands")
    hadoop = spark.sparkContext._jvm.org.apache.hadoop.fs.Path  # type: ignore[union-attr]
    pattern = hadoop(path.replace(DAY, _ANY_DAY))
    system = pattern.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
    found = sorted(status.getPath().toString() for status in system.globStatus(pattern) or [])
    paths = [one for one in found if first <= _day(one, path) <= last]
    if not paths:
        there = f"{_day(found[0], path)} to {_day(found[-1], path)} are there" if found else "no day is there"
        raise BadInput(f"the log {path} has nothing for {first} to {last} ({there}); is the day's log there yet?")
    return paths


def day_of(file_path: Column, path: str, example: str) -> Column:
    """The day that a file's path gives, `example` being one of the paths that were found for `path`."""
    return F.regexp_extract(F.split(file_path, "/")[_place(example, path)], _A_DAY, 1).cast("date")


def folder_of_days(path: str) -> str:
    """The folder in which the days lie, for a path with a day in it; any other path as it is."""
    before, day, _ = path.partition(DAY)
    return f"{before.rpartition('/')[0]}/{DAY}" if day else path


def _place(found: str, path: str) -> int:
    """Which part of a found path holds the day: counted from its end, where wildcards and roots change nothing."""
    parts = path.rstrip("/").split("/")
    from_end = len(parts) - next(place for place, part in enumerate(parts) if DAY in part)
    return len(found.split("/")) - from_end


def _day(found: str, path: str) -> date:
    text = re.findall(_A_DAY, found.split("/")[_place(found, path)])[0]
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"the log {path} has {found}, and {text} is no day; take it away") from error
