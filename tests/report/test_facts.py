"""What the page counts of a night's tables."""

from __future__ import annotations

from collections import Counter

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from mind.report import facts
from mind.report.facts import shares_of_interests
from mind.tables import names as n

USERS = 90
PLACES = 3


def origins(user: int, interests: int) -> list[int]:
    """Five places; the last two are beyond those that count, and a place of nobody's is among them."""
    return [user % interests, (user // 2) % interests, 0, interests - 1, -1]


@pytest.mark.parametrize("sample", [10_000, 30])
def test_the_shares_of_interests_are_those_of_the_first_places(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, sample: int
) -> None:
    monkeypatch.setattr(facts, "SAMPLE", sample)
    held = [(f"user {user}", 1 + user % 3) for user in range(USERS)]
    interests = spark.createDataFrame(held, f"{n.USER_ID} string, {n.INTEREST_COUNT} int")
    lists = [(name, origins(place, count)) for place, (name, count) in enumerate(held)]
    lists.append(("cold", [-1] * 5))
    ids = spark.createDataFrame(held, "id string, n int").selectExpr("id", "pmod(xxhash64(id), 1000000) place")
    hashed = {row["id"]: row["place"] for row in ids.collect()}
    candidates = spark.createDataFrame(lists, f"{n.USER_ID} string, {n.INTEREST_OF_ORIGIN} array<int>")
    found = shares_of_interests(interests, candidates, USERS, PLACES)
    assert list(found) == [2, 3]
    for count, shares in found.items():
        assert len(shares) == count
        assert sum(shares) == pytest.approx(1.0)
        counted = Counter(
            origin
            for user in range(USERS)
            if 1 + user % 3 == count and hashed[f"user {user}"] < sample / USERS * 1_000_000
            for origin in origins(user, count)[:PLACES]
        )
        expected = [counted[number] / counted.total() for number in range(count)]
        assert shares == pytest.approx(expected)
    fewer = interests.withColumn(n.INTEREST_COUNT, F.least(n.INTEREST_COUNT, F.lit(2)))
    assert list(shares_of_interests(fewer, candidates, USERS, PLACES)) == [2], "lists of an earlier run"
    assert shares_of_interests(interests.limit(0), candidates, 0, PLACES) == {}
