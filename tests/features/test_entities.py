"""Items and users at the end of a day: the latest values, and nobody is left out."""

from __future__ import annotations

import random
from collections import defaultdict

from pyspark.sql import SparkSession

from mind.features.entities import items_as_of, known_items, users_as_of
from mind.storage.spark_schema import arrow_schema
from mind.tables import BEHAVIOURS, ITEMS, USERS, VOCABULARY
from mind.tables import names as n
from tests.behaviours.shop import behaviour, source
from tests.features.slow import DAY
from tests.storage.frames import frame_of, rows_of

CODES = {
    n.ITEM_ID: {"tea": 2, "pot": 3, "cup": 4},
    "colour": {"red": 2, "blue": 3},
    "size": {"s": 2, "xl": 3},
    "country": {"France": 2, "Peru": 3},
}
VOCABULARY_ROWS = [
    {n.FEATURE: feature, n.VALUE: value, n.INDEX: index, n.ADDED_DS: DAY}
    for feature, values in CODES.items()
    for value, index in values.items()
]


def code(feature: str, value: str | None) -> int:
    return 0 if value is None else CODES[feature].get(value, 1)


def log(seed: int = 3) -> list[dict]:
    chance = random.Random(seed)
    rows = []
    for number in range(300):
        item = chance.choice(["tea", "pot", "cup", "rare", "é"])
        rows.append(
            behaviour(
                chance.randrange(10**5) * 1000 + number,
                f"u{chance.randrange(30)}",
                item,
                chance.randrange(6),
                **{
                    n.ITEM_VALUES: {
                        "colour": chance.choice(["red", "blue", "odd", None]),
                        "size": chance.choice(["s", "xl"]) if item == "tea" else None,
                    },
                    n.ITEM_ATTRIBUTES: {"name": chance.choice(["Nice", "Nicer", None])},
                    n.USER_VALUES: {"country": chance.choice(["France", "Peru", "Atlantis", None])},
                },
            )
        )
    return rows


def latest(rows: list[dict], column: str, name: str) -> str | None:
    """The value of the latest event that gives one; of one instant the greater value."""
    given = [(row[n.EVENT_TIME], row[column][name]) for row in rows if row[column][name] is not None]
    return max(given)[1] if given else None


def test_items_have_their_latest_values_words_and_counts(spark: SparkSession) -> None:
    rows = log()
    by_item = defaultdict(list)
    for row in rows:
        by_item[row[n.ITEM_ID]].append(row)
    made = items_as_of(frame_of(spark, BEHAVIOURS, rows), frame_of(spark, VOCABULARY, VOCABULARY_ROWS), source(), DAY)
    ITEMS.check_schema(arrow_schema(made.select(*ITEMS.column_names)))
    found = {row[n.ITEM_ID]: row for row in rows_of(made, *ITEMS.column_names)}
    for item, events in by_item.items():
        codes = [code(name, latest(events, n.ITEM_VALUES, name)) for name in ("colour", "size")]
        times = [row[n.EVENT_TIME] for row in events]
        assert found.pop(item) == {
            n.DS: DAY,
            n.ITEM_ID: item,
            n.ITEM_INDEX: code(n.ITEM_ID, item),
            n.ITEM_CODES: [code(n.ITEM_ID, item), *codes],
            n.ITEM_ATTRIBUTES: {"name": latest(events, n.ITEM_ATTRIBUTES, "name")},
            n.BEHAVIOURS: len(events),
            n.FIRST_SEEN: min(times),
            n.LAST_SEEN: max(times),
        }
    assert found == {}


def test_users_have_the_profile_of_their_latest_event_and_stay_when_all_was_undone(spark: SparkSession) -> None:
    rows = log()
    by_user = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row[n.EVENT_TIME], row[n.ITEM_ID], row[n.EVENT_ID])):
        by_user[row[n.USER_ID]].append(row)
    kept = [row for row in rows if row[n.USER_ID] not in ("u1", "u2") and row[n.ITEM_ID] != "cup"]
    made = users_as_of(
        frame_of(spark, BEHAVIOURS, rows),
        frame_of(spark, BEHAVIOURS, kept),
        frame_of(spark, VOCABULARY, VOCABULARY_ROWS),
        source(),
        DAY,
    )
    USERS.check_schema(arrow_schema(made.select(*USERS.column_names)))
    found = {row[n.USER_ID]: row for row in rows_of(made, *USERS.column_names)}
    assert found["u1"][n.BEHAVIOURS] == found["u2"][n.BEHAVIOURS] == 0
    for user, events in by_user.items():
        assert found.pop(user) == {
            n.DS: DAY,
            n.USER_ID: user,
            n.PROFILE: [code("country", events[-1][n.USER_VALUES]["country"])],
            n.BEHAVIOURS: sum(row[n.USER_ID] == user for row in kept),
            n.FIRST_SEEN: events[0][n.EVENT_TIME],
            n.LAST_SEEN: events[-1][n.EVENT_TIME],
        }
    assert found == {}


def test_known_items_are_those_with_an_index_that_the_model_has_a_row_for(spark: SparkSession) -> None:
    rows = [{n.ITEM_ID: str(index), n.ITEM_INDEX: index} for index in (1, 2, 3, 4)]
    items = frame_of(spark, ITEMS, rows)
    assert [row[n.ITEM_INDEX] for row in rows_of(known_items(items), n.ITEM_INDEX)] == [2, 3, 4]
    assert [row[n.ITEM_INDEX] for row in rows_of(known_items(items, 4), n.ITEM_INDEX)] == [2, 3]
