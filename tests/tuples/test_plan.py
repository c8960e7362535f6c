"""How Spark goes about the tuples: docs/logs.md says so, and here it is held to it."""

from __future__ import annotations

import re

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.features.history import histories_at_end, user_sequences
from mind.tables import PROFILES
from mind.tuples.build import build_tuples, target_sequences
from tests.behaviours.shop import source
from tests.features.slow import by_user, items_frame, log_frame, random_log, vocabulary_frame
from tests.features.test_profiles import dated_source, random_profiles
from tests.storage.frames import frame_of
from tests.tuples.test_build import DS, section


def steps(frame: DataFrame) -> list[str]:
    """The names of the plan's operators, from the last to the first."""
    plan = frame._jdf.queryExecution().executedPlan().toString()
    return [found[1] for line in plan.splitlines() if (found := re.match(r"[\s:+*()\d-]*([A-Za-z]+)", line))]


def test_tuples_are_one_shuffle_and_one_sort_and_items_are_looked_up_without_either(spark: SparkSession) -> None:
    # Broadcast by name: Spark does not know how few rows of a test are. Of a table it knows.
    tables = F.broadcast(items_frame(spark)), F.broadcast(vocabulary_frame(spark))
    log = log_frame(spark, random_log(3))
    found = steps(build_tuples(target_sequences(log, *tables, source(), DS, section()), section()))
    assert (found.count("Exchange"), found.count("Sort"), found.count("Window")) == (1, 1, 0)
    assert not {"CartesianProduct", "BroadcastNestedLoopJoin", "SortMergeJoin"} & set(found)
    sort = found.index("Sort")
    assert found[sort - 2 : sort] == ["SortAggregate", "Project"], "the order of histories is that of this sort"


def test_histories_at_the_end_of_a_day_are_one_shuffle(spark: SparkSession) -> None:
    tables = F.broadcast(items_frame(spark)), F.broadcast(vocabulary_frame(spark))
    recent = user_sequences(log_frame(spark, random_log(3)), *tables, source(), most_recent=4)
    found = steps(histories_at_end(recent, 4))
    assert (found.count("Exchange"), found.count("Window")) == (1, 1)


def test_profiles_of_a_file_with_moments_cost_a_shuffle_and_a_sort_of_their_own(spark: SparkSession) -> None:
    tables = F.broadcast(items_frame(spark)), F.broadcast(vocabulary_frame(spark))
    rows = random_log(3)
    log, profiles = log_frame(spark, rows), frame_of(spark, PROFILES, random_profiles(3, list(by_user(rows))))
    found = steps(build_tuples(target_sequences(log, *tables, dated_source(), DS, section(), profiles), section()))
    assert (found.count("Exchange"), found.count("Sort"), found.count("Window")) == (2, 2, 0)
    assert not {"CartesianProduct", "BroadcastNestedLoopJoin", "SortMergeJoin"} & set(found)
