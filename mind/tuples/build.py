"""Ordered behaviours to training tuples: each target with its split and the history before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from mind.config import TuplesSection
from mind.errors import BadInput
from mind.features.history import ITEMS, PROFILES, TARGETS, TIMES, events_before, history_columns, user_sequences
from mind.source import Source
from mind.tables import names as n
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
    standing: DataFrame, items: DataFrame, vocabulary: DataFrame, source: Source, ds: date, section: TuplesSection
) -> DataFrame:
    """Each user's ordered behaviours, beside those of them that may be targets."""
    return user_sequences(standing, items, vocabulary, source, target=target_of(source, ds, section))


def build_tuples(sequences: DataFrame, section: TuplesSection) -> DataFrame:
    """One row per target: (user, target, history, profile, split).

    A target needs a history of at least one behaviour strictly before it. Of each user and split at most
    `targets_per_user` are kept, the most recent or some chosen by chance, so that heavy users do not dominate.
    """
    # Arrays of a user ride along by reference: nothing after the explosion sorts, shuffles or copies them whole.
    exploded = sequences.select(n.USER_ID, ITEMS, TIMES, PROFILES, _usable().alias(TARGETS)).select(
        n.USER_ID,
        ITEMS,
        TIMES,
        PROFILES,
        F.col(TARGETS)[n.SPLIT].alias(_SPLIT_OF),
        F.posexplode(TARGETS).alias(_PLACE, _TARGET),
    )
    split, place = _split_and_place(section)
    target = F.col(f"`{_TARGET}`")
    kept = exploded.where(place < section.targets_per_user)
    columns = history_columns(events_before(target[n.EVENT_TIME]), section.history_length)
    return kept.select(
        n.USER_ID,
        F.element_at(F.array(*[F.lit(name) for name in SPLITS]), split + 1).alias(n.SPLIT),
        target[n.ITEM_ID].alias(n.ITEM_ID),
        target[n.EVENT_ID].alias(n.EVENT_ID),
        target[n.EVENT_TIME].alias(n.TARGET_TIME),
        *[column.alias(name) for name, column in columns.items()],
        target[n.ITEM_CODES].alias(n.TARGET),
    )


def count_targets(sequences: DataFrame, ds: date, section: TuplesSection) -> Targets:
    """The same targets counted from the arrays alone, to hold the written tuples against.

    Raises:
        BadInput: a split is empty.
    """
    counted = sequences.select(F.size(TARGETS).alias("every"), _usable()[n.SPLIT].alias(_SPLIT_OF))
    measures = [F.sum("every").alias("every"), F.sum(F.size(_SPLIT_OF)).alias("usable")]
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
        behaviours=found["every"],
        without_history=found["every"] - found["usable"],
        above_limit=found["usable"] - sum(kept.values()),
        kept=kept,
    )


def training_behaviours(standing: DataFrame, tuples: DataFrame, section: TuplesSection) -> DataFrame:
    """The behaviours that training may count: without those that a split which goes by no days holds out of them."""
    if section.split == "time":
        return standing
    held_out = tuples.where(F.col(n.SPLIT) != SPLITS[0]).select(n.EVENT_ID)
    return standing.join(held_out, n.EVENT_ID, "left_anti")


def _usable() -> Column:
    """The targets with a history: those after the user's first moment."""
    first = F.element_at(TIMES, 1)
    return F.filter(TARGETS, lambda target: target[n.EVENT_TIME] > first)


def _split_and_place(section: TuplesSection) -> tuple[Column, Column]:
    """Number of a target's split in `SPLITS` and its place in that split, from 0, once the targets are exploded."""
    place, split = F.col(_PLACE), F.col(f"`{_TARGET}`")[n.SPLIT]
    if section.split == "last":
        return F.when(place == 0, 2).when(place == 1, 1).otherwise(0), F.greatest(place - 2, F.lit(0))
    # The greatest targets come first, so each split is a stretch of the array: test, then validation, then train.
    return split, place - F.array_position(_SPLIT_OF, split) + 1


def _number_in(split: str, section: TuplesSection) -> Column:
    if section.split == "last":
        usable = F.size(_SPLIT_OF)
        if split == SPLITS[0]:
            return F.greatest(usable - 2, F.lit(0))
        return (usable > SPLITS[::-1].index(split)).cast("int")
    return F.size(F.filter(_SPLIT_OF, lambda number: number == SPLITS.index(split)))
