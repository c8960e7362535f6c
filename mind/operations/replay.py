"""Two tables of candidates against what users did afterwards: on Spark up to a few thousand rows, then in numpy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from mind.errors import MindError
from mind.evaluation import Difference, Replay, replay
from mind.tables import names as n

SEED = 1

_FIRST, _SECOND, _CHOSEN, _CUTOFF, _USERS = "first", "second", "chosen", "cutoff", "users"


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Who has lists, and how much two lists of one user share."""

    only_first: int
    only_second: int
    both: int
    shared: dict[int, float]
    """By cutoff N: items in the first N of both lists over the longer list's places up to N; mean over users."""


def newest_day(behaviours: DataFrame) -> date | None:
    """The day of the newest behaviour; None where there is none."""
    found = behaviours.agg(F.max(n.EVENT_DAY).alias(n.EVENT_DAY)).first()
    return None if found is None else found[n.EVENT_DAY]


def within(behaviours: DataFrame, days: tuple[date, date]) -> DataFrame:
    """The behaviours from the first of the days to the last."""
    return behaviours.where(F.col(n.EVENT_DAY).between(F.lit(days[0]), F.lit(days[1])))


def days_after(nights: list[date], days: str | None, newest: date | None) -> tuple[date, date]:
    """The days on which two nights are judged: those after the later one, as far as behaviours are known.

    Raises:
        MindError: `days` is no number, or no behaviour is known after the nights.
    """
    if days is not None and not (days.isdecimal() and int(days)):
        raise MindError(f"--days is {days!r}; write a whole number of days from 1, such as 7")
    first = max(nights) + timedelta(days=1)
    if newest is None or newest < first:
        raise MindError(
            f"behaviours end on {newest}, the later night is {max(nights)}; ingest the days after it, or replay older "
            "nights: lists are judged by what users did afterwards"
        )
    return first, min(newest, first + timedelta(days=int(days or 7) - 1))


def overlap(first: DataFrame, second: DataFrame, cutoffs: tuple[int, ...]) -> Overlap:
    """first, second: (user_id, item_ids), best first; lists without items count as none."""
    both = _beside(first, second, "full")
    here, there = F.col(_FIRST).isNotNull(), F.col(_SECOND).isNotNull()
    measures = [
        F.count_if(condition).alias(name)
        for name, condition in (("a", here & ~there), ("b", there & ~here), ("both", here & there))
    ]
    for cutoff in cutoffs:
        one, other = F.slice(_FIRST, 1, cutoff), F.slice(_SECOND, 1, cutoff)
        share = F.size(F.array_intersect(one, other)) / F.greatest(F.size(one), F.size(other))
        measures.append(F.avg(F.when(here & there, share)).alias(f"at {cutoff}"))
    found = both.agg(*measures).first()
    assert found is not None
    if not found["both"]:
        raise MindError(
            f"no user has a list in both: {found['a']} have one in the first, {found['b']} in the second; compare "
            "tables of the same users"
        )
    shared = {cutoff: float(found[f"at {cutoff}"]) for cutoff in cutoffs}
    return Overlap(only_first=found["a"], only_second=found["b"], both=found["both"], shared=shared)


def replays(first: DataFrame, second: DataFrame, later: DataFrame, cutoffs: tuple[int, ...]) -> list[Replay]:
    """Each cutoff over the users who have both lists and are in `later`: (user_id, item_id), repeats allowed.

    Raises:
        MindError: fewer than two such users.
    """
    chosen = later.groupBy(n.USER_ID).agg(F.collect_set(n.ITEM_ID).alias(_CHOSEN))
    users = _beside(first, second, "inner").join(chosen, n.USER_ID)
    cases = F.array(*[_case(cutoff) for cutoff in cutoffs])
    exploded = users.select(F.size(_CHOSEN).alias(_CHOSEN), F.inline(cases))
    keys = (_CUTOFF, _CHOSEN, _FIRST, _SECOND)
    table = exploded.groupBy(*keys).agg(F.count(F.lit(1)).alias(_USERS)).orderBy(*keys).toArrow()
    columns = {name: table[name].to_numpy() for name in table.column_names}
    if columns[_USERS].sum() < 2 * len(cutoffs):
        raise MindError(
            f"{columns[_USERS].sum() // len(cutoffs)} users with both lists chose anything afterwards; an interval "
            "needs two. Give more days, or nights of the same users."
        )
    return [_replay(cutoff, columns) for cutoff in cutoffs]


def told(labels: tuple[str, str], days: tuple[date, date], lists: Overlap, found: list[Replay]) -> Iterator[str]:
    """The result in lines for people."""
    yield f"first: {labels[0]}; second: {labels[1]}; judged by behaviours from {days[0]} to {days[1]}"
    yield (
        f"{lists.both:,} users have both lists ({lists.only_first:,} only the first, {lists.only_second:,} only the "
        f"second); {found[0].users:,} of them did something afterwards; differences are second minus first, 95 %"
    )
    for one in found:
        yield (
            f"@{one.cutoff}: hit rate {one.hit_rates[0]:.4f} and {one.hit_rates[1]:.4f} "
            f"({_signed(one.hit_difference)}); recall {one.recalls[0]:.4f} and {one.recalls[1]:.4f} "
            f"({_signed(one.recall_difference)}); hits {one.hits[0]:,} and {one.hits[1]:,}; "
            f"overlap {lists.shared[one.cutoff]:.3f}"
        )


def _beside(first: DataFrame, second: DataFrame, how: str) -> DataFrame:
    one, other = (
        frame.where(F.size(n.ITEM_IDS) > 0).select(n.USER_ID, F.col(n.ITEM_IDS).alias(name))
        for frame, name in ((first, _FIRST), (second, _SECOND))
    )
    return one.join(other, n.USER_ID, how)


def _case(cutoff: int) -> Column:
    def found(items: str) -> Column:
        return F.size(F.array_intersect(F.slice(items, 1, cutoff), F.col(_CHOSEN))).alias(items)

    return F.struct(F.lit(cutoff).alias(_CUTOFF), found(_FIRST), found(_SECOND))


def _replay(cutoff: int, columns: dict[str, NDArray[Any]]) -> Replay:
    rows = columns[_CUTOFF] == cutoff
    return replay(cutoff, *[columns[name][rows] for name in (_CHOSEN, _FIRST, _SECOND, _USERS)], seed=SEED)


def _signed(found: Difference) -> str:
    return f"{found.difference:+.4f}, {found.low:+.4f} to {found.high:+.4f}"
