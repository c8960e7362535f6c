"""Lists against what came afterwards: frames counted by hand and by a loop, and the job on real tables."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.errors import MindError
from mind.operations.replay import days_after, overlap, replays
from mind.storage.candidate_lists import named_lists
from mind.storage.lake import Lake
from mind.tables import BEHAVIOURS, CANDIDATES
from mind.tables import names as n
from tests.publishing.published import lists, run_job
from tests.storage.frames import frame_of

DS = date(2011, 12, 6)
NEXT = DS + timedelta(days=1)


def listed(spark: SparkSession, held: dict[str, list[str]]) -> DataFrame:
    return spark.createDataFrame(list(held.items()), "user_id string, item_ids array<string>")


def chosen(spark: SparkSession, held: dict[str, list[str]]) -> DataFrame:
    rows = [(user, item) for user, items in held.items() for item in items]
    return spark.createDataFrame(rows, "user_id string, item_id string")


def test_by_hand(spark: SparkSession) -> None:
    """w has only a first, x only a second list, y chooses nothing, z has an empty list; v chooses a thrice."""
    first = listed(spark, {"u": ["a", "b", "c"], "v": ["a", "b"], "w": ["a"], "y": ["b", "a"], "z": []})
    second = listed(spark, {"u": ["b", "d", "a"], "v": ["c", "a"], "x": ["a"], "y": ["b", "c"], "z": ["a"]})
    later = chosen(spark, {"u": ["a", "d"], "v": ["a", "a", "a"], "w": ["a"], "x": ["a"], "z": ["a"]})
    one, two = replays(first, second, later, (1, 2))
    assert (one.cutoff, one.users, two.cutoff, two.users) == (1, 2, 2, 2)
    assert (one.hits, two.hits) == ((2, 0), (2, 2))
    assert (one.hit_rates, two.hit_rates) == ((1, 0), (1, 1))
    assert (one.recalls, two.recalls) == (((1 / 2 + 1) / 2, 0), ((1 / 2 + 1) / 2, (1 / 2 + 1) / 2))
    assert (one.hit_difference.difference, two.hit_difference.difference) == (-1, 0)
    shared = overlap(first, second, (1, 2, 9))
    assert (shared.only_first, shared.only_second, shared.both) == (1, 2, 3)
    assert shared.shared == pytest.approx({1: 1 / 3, 2: (1 / 2 + 1 / 2 + 1 / 2) / 3, 9: (2 / 3 + 1 / 2 + 1 / 2) / 3})


def test_equal_to_a_loop_over_users(spark: SparkSession) -> None:
    random = np.random.default_rng(4)
    items = [f"i{number}" for number in range(12)]

    def some(most: int) -> dict[str, list[str]]:
        users = random.permutation(40)[:30]
        return {f"u{user}": random.permutation(items)[: random.integers(1, most)].tolist() for user in users}

    first, second, later = some(9), some(9), some(5)
    found = replays(listed(spark, first), listed(spark, second), chosen(spark, later), (3, 8))
    users = set(first) & set(second) & set(later)
    for one in found:
        expected = []
        for held in (first, second):
            counts = [len(set(held[user][: one.cutoff]) & set(later[user])) for user in users]
            shares = [count / len(later[user]) for count, user in zip(counts, users, strict=True)]
            expected.append((sum(counts), np.mean([count > 0 for count in counts]), np.mean(shares)))
        assert one.users == len(users)
        assert one.hits == (expected[0][0], expected[1][0])
        assert one.hit_rates == pytest.approx((expected[0][1], expected[1][1]))
        assert one.recalls == pytest.approx((expected[0][2], expected[1][2]))


def test_nothing_to_compare_is_said(spark: SparkSession) -> None:
    first, second = listed(spark, {"u": ["a"]}), listed(spark, {"v": ["a"]})
    with pytest.raises(MindError, match="no user has a list in both: 1 have one in the first, 1 in the second"):
        overlap(first, second, (1,))
    with pytest.raises(MindError, match="1 users with both lists chose anything"):
        replays(first, first, chosen(spark, {"u": ["a"], "v": ["b"]}), (1, 5))


def test_the_days_are_those_after_the_later_night_as_far_as_behaviours_go() -> None:
    newest = DS + timedelta(days=5)
    assert days_after([DS, NEXT], "2", newest) == (DS + timedelta(days=2), DS + timedelta(days=3))
    assert days_after([NEXT, DS], None, newest) == (DS + timedelta(days=2), newest)
    assert days_after([DS, DS], None, DS + timedelta(days=30)) == (NEXT, DS + timedelta(days=7))
    for known in (None, NEXT):
        with pytest.raises(MindError, match="ingest the days after it"):
            days_after([DS, NEXT], None, known)
    for wrong in ("0", "x", "-1", "1.5"):
        with pytest.raises(MindError, match="whole number of days"):
            days_after([DS], wrong, newest)


def bought(user: int, item: str, day: date, kind: str = "purchase") -> dict[str, object]:
    moment = datetime(day.year, day.month, day.day, 10)
    texts = {n.USER_ID: f"u{user}", n.ITEM_ID: item, n.EVENT_TYPE: kind, n.SOURCE: "online_retail"}
    times = {n.EVENT_TIME: moment, n.EVENT_DAY: day, n.QUANTITY: 1.0}
    maps: dict[str, object] = {n.ITEM_ATTRIBUTES: {}, n.ITEM_VALUES: {}, n.USER_VALUES: {}}
    return {n.EVENT_ID: f"{user} {item} {day} {kind}", **texts, **times, **maps}


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Two nights in one commit, the first of which is then published again without u2 and with another item."""
    made = Lake(spark, str(tmp_path_factory.mktemp("replay") / "lake"))
    made.replace(CANDIDATES, lists(made, DS, 4, "a").unionAll(lists(made, NEXT, 5, "b")), DS, NEXT)
    made.replace(CANDIDATES, lists(made, DS, 4, "c").where(F.col(n.USER_ID) != "u2"), DS, DS)
    return made


def test_lists_are_found_by_night_version_and_lake(lake: Lake) -> None:
    version = str(lake.version(CANDIDATES))
    found = {
        name: [(row[n.USER_ID], row[n.ITEM_IDS][0]) for row in frame.orderBy(n.USER_ID).collect()] + [night]
        for name in (NEXT.isoformat(), str(int(version) - 1), version, lake.root)
        for frame, night in [named_lists(lake, name, DS)]
    }
    now = [("u0", "c"), ("u1", "c"), ("u3", "c"), DS]
    assert found == {
        NEXT.isoformat(): [*((f"u{user}", "b") for user in range(5)), NEXT],
        str(int(version) - 1): [*((f"u{user}", "a") for user in range(4)), DS],
        version: now,
        lake.root: now,
    }
    with pytest.raises(MindError, match="candidates_staged does not exist"):
        named_lists(lake, "candidates_staged", DS)


@pytest.mark.slow
def test_the_job_tells_what_each_would_have_hit(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After both nights u0 buys b, u1 c, u2 b, and u3 undoes its purchase; what came before or much later does not
    count, nor does u2, who has but one list."""
    after = NEXT + timedelta(days=1)
    rows = [bought(0, "b", after), bought(1, "c", after), bought(2, "b", after), bought(3, "b", after)]
    rows.append(bought(3, "b", after + timedelta(days=1), "cancellation"))
    rows += [bought(3, "c", NEXT), bought(1, "a", date(2012, 1, 9))]
    lake.replace(BEHAVIOURS, frame_of(lake.spark, BEHAVIOURS, rows), DS, date(2012, 1, 9))
    seen = lake.version(CANDIDATES)
    run_job(monkeypatch, lake, "replay", "--ds", DS.isoformat(), f"--other={NEXT}", "--days=3")
    told = capsys.readouterr().out
    assert "judged by behaviours from 2011-12-08 to 2011-12-10" in told
    assert "3 users have both lists (0 only the first, 2 only the second); 2 of them did something" in told
    assert "@10: hit rate 0.5000 and 0.5000 (+0.0000, -1.0000 to +1.0000); recall 0.5000 and 0.5000" in told
    assert "hits 1 and 1; overlap 0.000" in told
    assert lake.version(CANDIDATES) == seen
