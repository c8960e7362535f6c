"""Users in words: what they did, what the model makes of it, and what it would show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from mind.report.facts import Interest, Person
from mind.serving.explaining import InterestReason, reason_columns
from mind.tables import names as n

RECENT = 6
REASONS = 3
ALL_REASONS = 1 << 20
"""Every behaviour of a history, for the routing weights."""
SHOWN = 3

Reasons = Callable[[Row], list[InterestReason]]
"""From a user's row of user_interests to the reasons of each interest."""


def choose(interests: DataFrame, candidates: DataFrame, how_many: int) -> list[Row]:
    """Users with the most interests, in an order that is arbitrary but the same on every run."""
    chosen = interests.orderBy(F.desc(n.INTEREST_COUNT), F.xxhash64(n.USER_ID), n.USER_ID).limit(how_many)
    lists = candidates.select(n.USER_ID, n.ITEM_IDS, n.SCORES, n.INTEREST_OF_ORIGIN)
    held = (n.USER_ID, n.HISTORY_LENGTH, n.INTEREST_COUNT, n.INTERESTS, *reason_columns(interests))
    chosen = chosen.select(*held)
    chosen = chosen.join(lists, n.USER_ID)
    return chosen.orderBy(F.xxhash64(n.USER_ID), n.USER_ID).collect()


def describe(users: list[Row], items: DataFrame, reasons: Reasons) -> list[Person]:
    """The chosen users in words; an item without a name is called by its id."""
    wanted_index = {index for user in users for index in user[n.HISTORY]}
    wanted_id = {item for user in users for item in user[n.ITEM_IDS]}
    named = items.where(F.col(n.ITEM_INDEX).isin(wanted_index) | F.col(n.ITEM_ID).isin(wanted_id))
    rows = named.select(n.ITEM_INDEX, n.ITEM_ID, F.col(n.ITEM_ATTRIBUTES)["name"].alias("name")).collect()
    by_index = {row[n.ITEM_INDEX]: _name(row) for row in rows}
    by_id = {row[n.ITEM_ID]: _name(row) for row in rows}
    return [_person(user, by_index, by_id, reasons) for user in users]


def first_listed(user: Row, items: DataFrame) -> list[tuple[str, float]]:
    """Name and score of the first candidates of one user."""
    shown = dict(list(zip(user[n.ITEM_IDS], user[n.SCORES], strict=True))[: SHOWN * REASONS])
    named = items.where(F.col(n.ITEM_ID).isin(list(shown)))
    rows = named.select(n.ITEM_ID, F.col(n.ITEM_ATTRIBUTES)["name"].alias("name")).collect()
    by_id = {row[n.ITEM_ID]: _name(row) for row in rows}
    return [(by_id[item], score) for item, score in shown.items()]


def _name(row: Row) -> str:
    return " ".join((row["name"] or row[n.ITEM_ID]).split())


def _person(user: Row, by_index: dict[int, str], by_id: dict[str, str], reasons: Reasons) -> Person:
    history = list(user[n.HISTORY])
    routed = [index for index in history if index]
    recent = list(dict.fromkeys(by_index[index] for index in reversed(routed)))[:RECENT]
    found = reasons(user)
    listed = list(zip(user[n.ITEM_IDS], user[n.SCORES], user[n.INTEREST_OF_ORIGIN], strict=True))
    return Person(
        user_id=user[n.USER_ID],
        behaviours=user[n.HISTORY_LENGTH],
        recent=recent,
        interests=[_interest(number, reason, listed, by_index, by_id) for number, reason in enumerate(found)],
        routing=_routing(routed, found, by_index),
    )


def _routing(
    routed: list[int], reasons: list[InterestReason], by_index: dict[int, str]
) -> list[tuple[str, list[float]]]:
    """The weights of the behaviours that have one in every interest, the most recent first."""
    weights = [dict(zip(reason.items, reason.weights, strict=True)) for reason in reasons]
    distinct = list(dict.fromkeys(reversed(routed)))
    whole = [item for item in distinct if weights and all(item in held for held in weights)]
    return [(by_index[item], [held[item] for held in weights]) for item in whole]


def _interest(
    number: int, reason: InterestReason, listed: list[Any], by_index: dict[int, str], by_id: dict[str, str]
) -> Interest:
    ranked = [(rank, item, score) for rank, (item, score, origin) in enumerate(listed, start=1) if origin == number]
    return Interest(
        because_of=[
            (by_index[item], weight) for item, weight in list(zip(reason.items, reason.weights, strict=True))[:REASONS]
        ],
        candidates=[(rank, by_id[item], score) for rank, item, score in ranked[:SHOWN]],
    )
