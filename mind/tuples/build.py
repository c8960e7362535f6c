"""Ordered behaviours to training tuples: which behaviours are targets, in which split, with what history."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from mind.behaviours.days import last_days
from mind.config import TuplesSection
from mind.errors import BadInput
from mind.features.history import BEFORE, EVENTS, history_columns
from mind.tables import names as n

log = logging.getLogger("mind")

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Window:
    """Days of targets, first and last included."""

    first: date
    last: date


def windows(ds: date, section: TuplesSection) -> dict[str, Window]:
    """The days of each split, going back from `ds`: test, then validation, then train."""
    days: dict[str, Window] = {}
    last = ds
    for split, length in (
        ("test", section.test_days),
        ("validation", section.validation_days),
        ("train", section.train_days),
    ):
        first, last = last_days(last, length)
        days[split] = Window(first=first, last=last)
        last = first - timedelta(days=1)
    return {split: days[split] for split in SPLITS}


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Where every behaviour of the windows went."""

    behaviours: int
    without_history: int
    above_limit: int
    kept: dict[str, int]


def build_tuples(sequences: DataFrame, ds: date, section: TuplesSection) -> DataFrame:
    """One row per target: (user, target, history, profile, split).

    A target needs a history of at least one behaviour strictly before it. Of each user and split the most recent
    `targets_per_user` are kept, so that heavy users do not dominate.
    """
    rows = []
    for split, window in windows(ds, section).items():
        targets = _latest(_targets(window), section.targets_per_user)
        rows.append(_tuples(targets, split, section.history_length))
    return sequences.select(n.USER_ID, F.inline(F.concat(*rows)))


def count_targets(sequences: DataFrame, ds: date, section: TuplesSection) -> Targets:
    """The same targets counted from the sequences alone, to hold the written tuples against.

    Raises:
        BadInput: a split is empty.
    """
    measures = []
    for split, window in windows(ds, section).items():
        usable = F.size(_targets(window))
        taken = F.least(usable, F.lit(section.targets_per_user))
        in_window = F.size(_in_window(window))
        measures += [F.sum(taken).alias(f"kept {split}"), F.sum(usable).alias(f"with {split}")]
        measures += [F.sum(in_window).alias(f"every {split}")]
    found = {name: value or 0 for name, value in sequences.agg(*measures).first().asDict().items()}  # type: ignore[union-attr]
    kept = {split: found[f"kept {split}"] for split in SPLITS}
    for split, rows in kept.items():
        if rows == 0:
            window = windows(ds, section)[split]
            raise BadInput(
                f"no {split} tuple: no behaviour from {window.first} to {window.last} has a history before it; "
                f"ingest more days, or change tuples.{split}_days"
            )
    every = sum(found[f"every {split}"] for split in SPLITS)
    with_history = sum(found[f"with {split}"] for split in SPLITS)
    return Targets(
        behaviours=every,
        without_history=every - with_history,
        above_limit=with_history - sum(kept.values()),
        kept=kept,
    )


def _in_window(window: Window) -> Column:
    return F.filter(EVENTS, lambda event: event[n.EVENT_DAY].between(F.lit(window.first), F.lit(window.last)))


def _targets(window: Window) -> Column:
    return F.filter(_in_window(window), lambda event: event[BEFORE] > 0)


def _latest(array: Column, most: int) -> Column:
    return F.slice(array, F.greatest(F.size(array) - most, F.lit(0)) + 1, most)


def _tuples(targets: Column, split: str, length: int) -> Column:
    """An array of tuples from an array of target events of the same user."""
    return F.transform(
        targets,
        lambda target: F.struct(
            F.lit(split).alias(n.SPLIT),
            target[n.ITEM_ID].alias(n.ITEM_ID),
            target[n.EVENT_ID].alias(n.EVENT_ID),
            target[n.EVENT_TIME].alias(n.TARGET_TIME),
            *[column.alias(name) for name, column in history_columns(target[BEFORE], length).items()],
            target[n.ITEM_CODES].alias(n.TARGET),
        ),
    )
