"""What a file with moments says of a user is told to what is later than its moment, and to nothing else."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from mind.behaviours.days import end_of
from mind.features.entities import users_as_of
from mind.features.history import histories_at_end, user_sequences
from mind.features.vocabulary import RECENT, observed_values
from mind.source import FeatureFile, Source
from mind.tables import PROFILES, VOCABULARY
from mind.tables import names as n
from mind.tuples.build import build_tuples, target_sequences
from tests.behaviours.shop import START, behaviour, source
from tests.features.slow import COUNTRIES, DAY, by_user, country_code, items_frame, log_frame, random_log
from tests.features.test_history import every_target
from tests.storage.frames import frame_of, rows_of

TOWNS = {"Lima": 2, "Lyon": 3, "Moundou": 4, "of the future": 5}
LEVELS = {"silver": 2, "gold": 3}
DAYS = 12
LATER = end_of(DAY + timedelta(days=DAYS), "Asia/Kathmandu")

Row = dict[str, Any]


def dated_source() -> Source:
    """A profile of three features: town and level from a file with moments, country, between them, from the log."""
    columns = {"town": "town", "level": "upper(level)"}
    file = FeatureFile(path="users.csv", format="csv", key="who", moment="since", columns=columns)
    features = {"town": "user_file.town", "country": "country", "level": "user_file.level"}
    return source(user_file=file, user_features=features)


def profile(user: str, moment: datetime, town: str | None, level: str | None = None) -> Row:
    return {n.DS: DAY, n.USER_ID: user, n.KNOWN_FROM: moment, n.USER_VALUES: {"town": town, "level": level}}


def random_profiles(seed: int, users: list[str]) -> list[Row]:
    """Up to six rows a user, at the moments at which behaviours happen and a microsecond beside them, and later."""
    chance = random.Random(seed)
    found = {}
    for user in users:
        for _ in range(chance.choice([0, 1, 3, 6])):
            moment = START + timedelta(days=chance.randrange(-1, DAYS), minutes=chance.randrange(4))
            moment += timedelta(microseconds=chance.choice([-1, 0, 1]))
            town, level = chance.choice([*TOWNS, "Atlantis", None]), chance.choice([*LEVELS, "tin", None])
            found[user, moment] = profile(user, moment, town, level)
        found[user, LATER] = profile(user, LATER, "of the future")
    return list(found.values())


def vocabulary_frame(spark: SparkSession) -> DataFrame:
    codes = {"town": TOWNS, "level": LEVELS, "country": COUNTRIES}
    rows = [
        {n.FEATURE: feature, n.VALUE: value, n.INDEX: index, n.ADDED_DS: DAY}
        for feature, values in codes.items()
        for value, index in values.items()
    ]
    return frame_of(spark, VOCABULARY, rows)


def known_of(profiles: list[Row], user: str, as_of: datetime) -> tuple[int, int]:
    """Codes of town and level at a moment: a loop over everything that anybody ever said."""
    latest: Row | None = None
    for row in profiles:
        known = row[n.USER_ID] == user and row[n.KNOWN_FROM] < as_of
        if known and (latest is None or row[n.KNOWN_FROM] > latest[n.KNOWN_FROM]):
            latest = row
    if latest is None:
        return 0, 0
    town, level = latest[n.USER_VALUES]["town"], latest[n.USER_VALUES]["level"]
    return (0 if town is None else TOWNS.get(town, 1)), (0 if level is None else LEVELS.get(level, 1))


def trained(spark: SparkSession, rows: list[Row], profiles: list[Row]) -> list[Row]:
    tables = items_frame(spark), vocabulary_frame(spark)
    known = frame_of(spark, PROFILES, profiles).repartition(3)
    section = every_target(5)
    sequences = target_sequences(log_frame(spark, rows), *tables, dated_source(), LATER.date(), section, known)
    return rows_of(build_tuples(sequences, section))


@settings(max_examples=3, deadline=None, derandomize=True, phases=[Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_the_profile_of_a_tuple_is_what_a_loop_finds_before_its_target(spark: SparkSession, seed: int) -> None:
    """Besides, serving at a moment gives the bytes that training gives a target of that moment, and so does `users`."""
    rows = random_log(seed)
    users = by_user(rows)
    profiles = random_profiles(seed, list(users)[3:])
    at_end = {n.EVENT_TIME: LATER, n.EVENT_DAY: LATER.date()}
    planted = [behaviour(10**9 + place, user, "tea", 0, **at_end) for place, user in enumerate(users)]
    made = trained(spark, rows + planted, profiles)
    assert len(made) >= len(users)
    for row in made:
        before = [event for event in users[row[n.USER_ID]] if event[n.EVENT_TIME] < row[n.TARGET_TIME]]
        town, level = known_of(profiles, row[n.USER_ID], row[n.TARGET_TIME])
        assert row[n.PROFILE] == [town, country_code(before[-1]), level], row

    tables = items_frame(spark), vocabulary_frame(spark)
    known, log = frame_of(spark, PROFILES, profiles), log_frame(spark, rows)
    sequences = user_sequences(log, *tables, dated_source(), most_recent=5, profiles=known)
    served = rows_of(histories_at_end(sequences, 5, LATER), n.USER_ID, n.PROFILE)
    last = [{name: row[name] for name in (n.USER_ID, n.PROFILE)} for row in made if row[n.TARGET_TIME] == LATER]
    assert served == sorted(last, key=lambda row: repr(sorted(row.items())))
    everybody = users_as_of(log, log, vocabulary_frame(spark), dated_source(), DAY, known, LATER)
    for row in rows_of(everybody, n.USER_ID, n.PROFILE):
        assert (row[n.PROFILE][0], row[n.PROFILE][2]) == known_of(profiles, row[n.USER_ID], LATER)


def test_a_planted_future_is_seen_only_by_targets_after_it(spark: SparkSession) -> None:
    """Every user moves to a town that nobody had before, just before, at, or just after the moment of a target."""
    future = START + timedelta(days=DAYS - 1, hours=1)
    rows, profiles = random_log(5), []
    users = [user for user, events in by_user(rows).items() if events[0][n.EVENT_TIME] < future - timedelta(days=1)]
    for place, user in enumerate(users):
        at = {n.EVENT_TIME: future, n.EVENT_DAY: future.date()}
        rows.append(behaviour(10**9 + place, user, "tea", 0, **at))
        profiles.append(profile(user, START - timedelta(days=1), "Lima"))
        profiles.append(profile(user, future + timedelta(microseconds=place % 3 - 1), "of the future"))
    sees = {f"{10**9 + place}": place % 3 == 0 for place in range(len(users))}
    made = [row for row in trained(spark, rows, profiles) if row[n.USER_ID] in users]
    assert sees.keys() <= {row[n.EVENT_ID] for row in made}
    for row in made:
        expected = "of the future" if row[n.TARGET_TIME] > future or sees.get(row[n.EVENT_ID]) else "Lima"
        assert row[n.PROFILE][0] == TOWNS[expected], row


def test_the_vocabulary_counts_every_row_that_is_known_and_tells_recent_ones_by_their_moment(
    spark: SparkSession,
) -> None:
    midnight = end_of(DAY, "Asia/Kathmandu")
    profiles = [
        profile("ann", midnight - timedelta(microseconds=1), "Lima"),
        profile("ann", midnight, "Lima", "gold"),
        profile("bob", midnight, None),
    ]
    log = log_frame(spark, [behaviour(1, "ann", "tea", 0)])
    of_file = frame_of(spark, PROFILES, profiles)
    since = DAY + timedelta(days=1)
    found = rows_of(observed_values(log, log, since, of_file, "Asia/Kathmandu"))
    counts = {(row[n.FEATURE], row[n.VALUE]): (row[n.BEHAVIOURS], row[RECENT]) for row in found}
    assert counts == {(n.ITEM_ID, "tea"): (1, 0), ("town", "Lima"): (2, 1), ("level", "gold"): (1, 1)}
