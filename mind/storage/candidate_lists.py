"""Candidates by the names that people give them: a night, an older version, the staged ones, another lake's."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame

from mind.storage.lake import Lake
from mind.storage.upkeep import rows_at
from mind.tables import CANDIDATES, STAGED


def named_lists(lake: Lake, name: str, ds: date) -> tuple[DataFrame, date]:
    """The rows of `candidates` that a name means, and the night that they are of.

    A day (YYYY-MM-DD) is that night; a number is the night `ds` as it was in that version of the table;
    "candidates_staged" is what was computed for `ds`, published or not; anything else is the root of another lake,
    whose night `ds` is meant.

    Raises:
        MindError: there are no such rows.
    """
    if name == STAGED.name:
        return lake.read(STAGED, ds), ds
    if name.isdecimal():
        return rows_at(lake, CANDIDATES, int(name), ds), ds
    try:
        night = date.fromisoformat(name)
    except ValueError:
        return Lake(lake.spark, name).read(CANDIDATES, ds), ds
    return lake.read(CANDIDATES, night), night
