"""Ordered behaviours to training tuples: each target with its split and the history before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from mind.config import TuplesSection
from mind.errors import BadInput
from mind.features.history import (
    EVERY,
    TARGETS,
    history_columns,
    sequence_columns,
    stood_at,
    targets_with_a_history,
    user_sequences,
)
from mind.source import Source
from mind.tables import names as n
from mind.tuples.next_targets import next_items, with_training_targets
from mind.tuples.splits import SPLITS, target_of, windows

_SPLIT_OF = "splits"
_TARGET = "one target"
_PLACE = "place"


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Where every behaviour that may be a target went."""

    behaviours: int
    without_history: int
    above_limit: int
    kept: dict[str, int]


def target_sequences(
    positive: DataFrame,
    items: DataFrame,
    vocabulary: DataFrame,
    source: Source,
    ds: date,
    section: TuplesSection,
    profiles: DataFrame | None = None,
) -> DataFrame:
    """Each user's ordered behaviours, beside those of them that may be targets and have a history, and beside its rows
    of `profiles`.

    What was cancelled by the end of `ds` is no target; where `positive` has it with the moment (`with_undoing`), it is
    in the histories of before.
    """
    target = target_of(source, ds, section)
    if n.UNDONE_AT in positive.columns:
        target = F.when(F.col(n.UNDONE_AT).isNull(), target)
    sequences = user_sequences(positive, items, vocabulary, source, target=target, profiles=profiles)
    return targets_with_a_history(sequences, section.history_days)


def build_tuples(sequences: DataFrame, section: TuplesSection, ages: bool = False) -> DataFrame:
    """One row per target: (user, target, history, profile, split), and with `ages` how old each behaviour was then.

    A target needs a history of at least one behaviour strictly before it. Of each user and split at most
    `targets_per_user` are kept, the most recent or some chosen by chance, so that heavy users do not dominate. With
    `next_targets` above 1 a row also has the items of the targets that follow its own (`next_targets.py`).
    """
    # An explosion copies a user's arrays into every row that it makes, so what is above the limit goes first: a user
    # costs its events times the limit, not the square of its events.
    arrays = (n.USER_ID, *sequence_columns(sequences))
    usable = sequences.select(*arrays, TARGETS)
    if section.next_targets > 1:
        usable, added = with_training_targets(usable, section.split)
        arrays += added
    kept = usable.select(*arrays, F.posexplode(_kept(section)).alias(_PLACE, _TARGET))
    target = F.col(f"`{_TARGET}`")
    as_of = target[n.EVENT_TIME]
    length, days = section.history_length, section.history_days
    kept, before = stood_at(kept, as_of, length, days)
    columns = history_columns(kept, before, length, as_of, ages=ages, days=days)
    if section.next_targets > 1:
        columns[n.NEXT_TARGETS] = next_items(target[n.EVENT_ID], section.next_targets - 1)
    return kept.select(
        n.USER_ID,
        F.element_at(F.array(*[F.lit(name) for name in SPLITS]), _split(section) + 1).alias(n.SPLIT),
        target[n.ITEM_ID].alias(n.ITEM_ID),
        target[n.EVENT_ID].alias(n.EVENT_ID),
        as_of.alias(n.TARGET_TIME),
        *[column.alias(name) for name, column in columns.items()],
        target[n.ITEM_CODES].alias(n.TARGET),
    )


def count_targets(sequences: DataFrame, ds: date, section: TuplesSection) -> Targets:
    """The same targets counted from the arrays alone, to hold the written tuples against.

    Raises:
        BadInput: a split is empty.
    """
    counted = sequences.select(EVERY, F.col(TARGETS)[n.SPLIT].alias(_SPLIT_OF))
    measures = [F.sum(EVERY).alias(EVERY), F.sum(F.size(_SPLIT_OF)).alias("usable")]
    for split in SPLITS:
        taken = F.least(_number_in(split, section), F.lit(section.targets_per_user))
        measures.append(F.sum(taken).alias(split))
    found = {name: value or 0 for name, value in counted.agg(*measures).first().asDict().items()}  # type: ignore[union-attr]
    kept = {split: found[split] for split in SPLITS}
    for split, rows in kept.items():
        if rows == 0:
            window = windows(ds, section)[split]
            raise BadInput(
                f"no {split} tuple: no behaviour from {window.first} to {window.last} has a history before it; "
                f"ingest more days, or change tuples.{split}_days or tuples.split (it is {section.split!r})"
            )
    return Targets(
        behaviours=found[EVERY],
        without_history=found[EVERY] - found["usable"],
        above_limit=found["usable"] - sum(kept.values()),
        kept=kept,
    )


def training_behaviours(standing: DataFrame, tuples: DataFrame, section: TuplesSection) -> DataFrame:
    """The behaviours that training may count: without those that a split which goes by no days holds out of them."""
    if section.split == "time":
        return standing
    held_out = tuples.where(F.col(n.SPLIT) != SPLITS[0]).select(n.EVENT_ID)
    return standing.join(held_out, n.EVENT_ID, "left_anti")


def _kept(section: TuplesSection) -> Column:
    """The targets that the limit lets in: of each split the greatest, which come first; test, validation, train."""
    limit = section.targets_per_user
    if section.split == "last":
        return F.slice(TARGETS, 1, limit + 2)
    stretches = [_of_split(number) for number in (2, 1, 0)]
    return F.concat(*[F.slice(stretch, 1, limit) for stretch in stretches])


def _split(section: TuplesSection) -> Column:
    """Number of a target's split in `SPLITS`, once the targets are exploded."""
    if section.split == "last":
        return F.when(F.col(_PLACE) == 0, 2).when(F.col(_PLACE) == 1, 1).otherwise(0)
    return F.col(f"`{_TARGET}`")[n.SPLIT]


def _number_in(split: str, section: TuplesSection) -> Column:
    if section.split == "last":
        usable = F.size(_SPLIT_OF)
        if split == SPLITS[0]:
            return F.greatest(usable - 2, F.lit(0))
        return (usable > SPLITS[::-1].index(split)).cast("int")
    return F.size(F.filter(_SPLIT_OF, lambda number: number == SPLITS.index(split)))


def _of_split(number: int) -> Column:
    return F.filter(TARGETS, lambda target: target[n.SPLIT] == number)
