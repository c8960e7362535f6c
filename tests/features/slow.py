"""Histories, profiles and targets as a loop over a list gives them; random logs and their tables."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from mind.config import TuplesSection
from mind.tables import BEHAVIOURS, ITEMS, VOCABULARY
from mind.tables import names as n
from mind.tuples.splits import SPLITS, Window
from tests.behaviours.shop import START, behaviour
from tests.storage.frames import frame_of

Row = dict[str, Any]
DAY = START.date()
ITEM_INDEX = {item: index for index, item in enumerate(["tea", "pot", "é", "日本", "🫖", "a b", 'c"d', "-1"], start=2)}
COUNTRIES = {"France": 2, "Chad": 3, "Peru": 4}
UNLISTED = "not listed"
"""An item without an index: no history and no target may hold it."""


def random_log(seed: int, users: int = 50, days: int = 12, returns: float = 0.0) -> list[Row]:
    """Few moments a day, so that events of one instant are common; some items, countries are not known. With `returns`
    such a share of the events cancels an item, bought before or not."""
    chance = random.Random(seed)
    rows = []
    for user in range(users):
        for _ in range(chance.choice([1, 2, 3, 12, 25])):
            minutes = 24 * 60 * chance.randrange(days) + chance.randrange(4)
            item = chance.choice([*ITEM_INDEX, UNLISTED])
            values: Row = {n.USER_VALUES: {"country": chance.choice([*COUNTRIES, "Atlantis", None])}}
            if returns and chance.random() < returns:
                values[n.EVENT_TYPE] = "return"
            rows.append(behaviour(chance.randrange(10**5) * 10**4 + len(rows), f"user {user}", item, minutes, **values))
    return rows


def items_frame(spark: SparkSession, index: Mapping[str, int] = ITEM_INDEX) -> DataFrame:
    rows = [
        {n.DS: DAY, n.ITEM_ID: item, n.ITEM_INDEX: number, n.ITEM_CODES: [number, number + 100, 0]}
        for item, number in index.items()
    ]
    return frame_of(spark, ITEMS, rows)


def vocabulary_frame(spark: SparkSession, countries: Mapping[str, int] = COUNTRIES) -> DataFrame:
    rows = [
        {n.FEATURE: "country", n.VALUE: country, n.INDEX: number, n.ADDED_DS: DAY}
        for country, number in countries.items()
    ]
    rows += [{n.FEATURE: n.ITEM_ID, n.VALUE: item, n.INDEX: i, n.ADDED_DS: DAY} for item, i in ITEM_INDEX.items()]
    return frame_of(spark, VOCABULARY, rows)


def log_frame(spark: SparkSession, rows: list[Row]) -> DataFrame:
    return frame_of(spark, BEHAVIOURS, rows)


def by_user(rows: list[Row], index: Mapping[str, int] = ITEM_INDEX) -> dict[str, list[Row]]:
    """Each user's events on listed items, in their stated order."""
    users: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row[n.EVENT_TIME], row[n.ITEM_ID], country_code(row))):
        if row[n.ITEM_ID] in index:
            users[row[n.USER_ID]].append(row)
    return dict(users)


def country_code(row: Row, countries: Mapping[str, int] = COUNTRIES) -> int:
    country = row[n.USER_VALUES]["country"]
    return 0 if country is None else countries.get(country, 1)


def age_bucket(moment: datetime, as_of: datetime) -> int:
    """1 below a minute, one more for each time that the age in whole minutes can be halved down to nothing."""
    minutes, bucket = max((as_of - moment) // timedelta(minutes=1), 0), 1
    while minutes > 0:
        minutes, bucket = minutes // 2, bucket + 1
    return min(bucket, 24)


def ages_before(events: list[Row], as_of: datetime, length: int, days: int = 0) -> list[int]:
    """The bucket of each behaviour of the history at a moment, 0 after its end."""
    first = as_of - timedelta(days=days) if days else datetime.min.replace(tzinfo=as_of.tzinfo)
    older = [event[n.EVENT_TIME] for event in events if first <= event[n.EVENT_TIME] < as_of]
    ages = [age_bucket(moment, as_of) for moment in older][-length:]
    return ages + [0] * (length - len(ages))


def known_before(
    events: list[Row], as_of: datetime, length: int, index: Mapping[str, int] = ITEM_INDEX, days: int = 0
) -> Row | None:
    """History, length and profile at a moment, of `days` (0: all); None where nothing is strictly older."""
    first = as_of - timedelta(days=days) if days else datetime.min.replace(tzinfo=as_of.tzinfo)
    older = [event for event in events if first <= event[n.EVENT_TIME] < as_of]
    if not older:
        return None
    recent = [index[event[n.ITEM_ID]] for event in older[-length:]]
    return {
        n.HISTORY: recent + [0] * (length - len(recent)),
        n.HISTORY_LENGTH: len(recent),
        n.PROFILE: [country_code(older[-1])],
    }


def tuples_of(
    rows: list[Row],
    windows: Mapping[str, Window],
    section: TuplesSection,
    chance: Mapping[str, tuple[int, int]],
    stood: Callable[[Row], list[Row]] | None = None,
) -> list[Row]:
    """Every target of every split with what was known before it.

    `chance` gives for each event id its part of the paper's twenty and its place in the order by chance; `stood` the
    user's ordered events as they stood before a target, where these are not the rows themselves.
    """
    made = []
    for user, events in by_user(rows).items():
        usable = []
        for event in sorted(events, key=lambda event: (event[n.EVENT_TIME], event[n.ITEM_ID], event[n.EVENT_ID])):
            own = events if stood is None else stood(event)
            known = known_before(own, event[n.EVENT_TIME], section.history_length, days=section.history_days)
            if windows["train"].first <= event[n.EVENT_DAY] <= windows["test"].last and known:
                index = ITEM_INDEX[event[n.ITEM_ID]]
                target = {
                    n.USER_ID: user,
                    n.ITEM_ID: event[n.ITEM_ID],
                    n.EVENT_ID: event[n.EVENT_ID],
                    n.TARGET_TIME: event[n.EVENT_TIME],
                    n.TARGET: [index, index + 100, 0],
                }
                usable.append((event, target | known))
        for split in SPLITS:
            window, inside = windows[split], []
            for place, (event, target) in enumerate(usable):
                from_end = len(usable) - 1 - place
                holds = {
                    "time": window.first <= event[n.EVENT_DAY] <= window.last,
                    "last": split == {0: "test", 1: "validation"}.get(from_end, "train"),
                    "paper": split == {0: "test", 1: "validation"}.get(chance[event[n.EVENT_ID]][0], "train"),
                }
                if holds[section.split]:
                    inside.append(target | {n.SPLIT: split})
            if section.next_targets > 1:
                after = section.next_targets - 1
                for place, target in enumerate(inside):
                    following = [later[n.TARGET][0] for later in inside[place + 1 : place + 1 + after]]
                    following = following if split == "train" else []
                    target[n.NEXT_TARGETS] = following + [0] * (after - len(following))
            if section.targets_kept == "random":
                inside.sort(key=lambda target: chance[target[n.EVENT_ID]][1])
            made += inside[-section.targets_per_user :]
    return made
