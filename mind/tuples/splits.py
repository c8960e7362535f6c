"""Which behaviours are targets, and in which split: by time, by each user's last items, or by the paper's protocol."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import Column
from pyspark.sql import functions as F

from mind.behaviours.days import EVER, last_days, reach_begins
from mind.config import TuplesSection
from mind.source import Source
from mind.tables import names as n

SPLITS = ("train", "validation", "test")
PAPER_SHARES = 20
"""The paper holds one of twenty interactions out (19 : 1) for the test; it names no validation, so another is taken."""

_EVER = date(1900, 1, 1)
_SHARE_STEPS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Window:
    """Days of targets, first and last included."""

    first: date
    last: date


def windows(ds: date, section: TuplesSection) -> dict[str, Window]:
    """The days of each split, going back from `ds`: test, then validation, then train.

    A split that goes by users or by chance, not by time, takes its targets from all days up to `ds`.
    """
    if section.split != "time":
        return dict.fromkeys(SPLITS, Window(first=_EVER, last=ds))
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


def first_day_read(ds: date, section: TuplesSection) -> date:
    """The first day whose behaviours any step of the night needs: as far before the first target as a history may
    reach. Without `history_days`, or where targets come from all days, every day."""
    if not section.history_days or section.split != "time":
        return EVER[0]
    return reach_begins(windows(ds, section)["train"].first - timedelta(days=1), section.history_days)


def target_of(source: Source, ds: date, section: TuplesSection) -> Column:
    """A struct for each event that may be a target, null for the others; the greatest structs are kept first.

    Its `split` is a number in `SPLITS`. All chance is a hash of the event id: the same event is chosen on every night,
    in any order of rows.
    """
    split = _split(ds, section)
    order = F.col(n.EVENT_TIME) if section.targets_kept == "latest" else F.xxhash64(n.EVENT_ID, F.lit("kept"))
    if section.split == "last":  # the end of the sorted array says which target is the last: only time may sort it
        order = F.col(n.EVENT_TIME)
    target = F.struct(split.alias(n.SPLIT), order.alias("order"), n.EVENT_TIME, n.ITEM_ID, n.EVENT_ID, n.ITEM_CODES)
    return F.when(split.isNotNull() & _in_share(source), target)


def _split(ds: date, section: TuplesSection) -> Column:
    """The number of the split in `SPLITS`; 0 for `last`, because that shows only in the sorted array."""
    day = F.col(n.EVENT_DAY)
    if section.split == "paper":
        part = F.pmod(F.xxhash64(n.EVENT_ID, F.lit("split")), F.lit(PAPER_SHARES))
        number = F.when(part == 0, 2).when(part == 1, 1).otherwise(0)
    elif section.split == "last":
        number = F.lit(0)
    else:
        number = F.lit(None)
        for split, window in windows(ds, section).items():
            inside = day.between(F.lit(window.first), F.lit(window.last))
            number = F.when(inside, F.lit(SPLITS.index(split))).otherwise(number)
    return F.when(day <= F.lit(ds), number).cast("tinyint")


def _in_share(source: Source) -> Column:
    """Whether the event is among the share of its type that `target_shares` lets be targets."""
    chosen = F.lit(True)
    step = F.pmod(F.xxhash64(n.EVENT_ID, F.lit("share")), F.lit(_SHARE_STEPS))
    for kind, share in sorted(source.target_shares.items()):
        enough = step < F.lit(round(share * _SHARE_STEPS))
        chosen = F.when(F.col(n.EVENT_TYPE) == kind, enough).otherwise(chosen)
    return chosen
