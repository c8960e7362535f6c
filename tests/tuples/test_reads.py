"""What a night reads of the lake and how often it shuffles: docs/logs.md says so, and here it is held to it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.behaviours.days import between, reach_begins, until
from mind.behaviours.parse import parse
from mind.behaviours.standing import standing, with_undoing
from mind.features.entities import items_as_of, users_as_of
from mind.features.history import NEEDED, histories_at_end, user_sequences
from mind.features.vocabulary import observed_values
from mind.source import RefuseUsersRule
from mind.storage.lake import Lake
from mind.tables import BEHAVIOURS
from mind.tables import names as n
from mind.tuples.build import build_tuples, target_sequences
from mind.tuples.splits import first_day_read
from tests.behaviours.shop import FIRST, LAST, raw_frame, raw_row, source
from tests.features.slow import DAY, items_frame, log_frame, random_log, vocabulary_frame
from tests.tuples.test_build import section
from tests.tuples.test_plan import steps

DS = DAY + timedelta(days=5)
REACHED = first_day_read(
    DS, section(history_days=1).model_copy(update={"train_days": 1, "validation_days": 1, "test_days": 1})
)
Plan = tuple[list[str], list[tuple[set[str], str]]]
"""Operators, and the scans of files."""
PLAIN = source(cancelling_events=())
WITH_RULES = source(same_event=("user_id",), refuse_users=(RefuseUsersRule(reason="robot", where="count(*) > 1"),))


def scans(frame: DataFrame) -> list[tuple[set[str], str]]:
    """Columns and partition filters of each scan of files in the plan."""
    found = []
    for line in frame._jdf.queryExecution().executedPlan().toString().splitlines():
        if "FileScan" in line:
            filters = re.search(r"PartitionFilters: \[(.*?)\], ", line)
            columns = re.search(r"ReadSchema: struct<(.*)>", line)
            assert filters, line
            assert columns, line
            found.append((set(re.findall(r"(?:^|,)([a-z_]+):", columns[1])), re.sub(r"#\d+", "", filters[1])))
    return found


@pytest.fixture(scope="module")
def plans(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    """What the jobs make of twelve days in a lake, of which a night for DS may read six; before anything is cached."""
    lake = Lake(spark, str(tmp_path_factory.mktemp("lake")))
    lake.replace(BEHAVIOURS, log_frame(spark, random_log(3)), DAY, DAY + timedelta(days=11))
    behaviours = lake.read(BEHAVIOURS)
    items, vocabulary = F.broadcast(items_frame(spark)), F.broadcast(vocabulary_frame(spark))
    known, needed = until(behaviours, DS), until(behaviours.select(*NEEDED), DS)
    raw = raw_frame(spark, [raw_row()])

    def tuples(kept: DataFrame) -> DataFrame:
        return build_tuples(target_sequences(kept, items, vocabulary, PLAIN, DS, section()), section())

    def histories(given: DataFrame) -> DataFrame:
        return histories_at_end(user_sequences(standing(given, PLAIN), items, vocabulary, PLAIN, most_recent=4), 4)

    frames = {
        "ingest": parse(raw, PLAIN, "UTC", FIRST, LAST),
        "ingest, all rules": parse(raw, WITH_RULES, "UTC", FIRST, LAST),
        "held days": between(behaviours, DS, DS).groupBy(n.EVENT_DAY).count(),
        "vocabulary": observed_values(standing(known, PLAIN), known, DS),
        "items": items_as_of(standing(known, PLAIN), vocabulary, PLAIN, DS),
        "users": users_as_of(known, standing(known, PLAIN), vocabulary, PLAIN, DS),
        "tuples": tuples(standing(needed, PLAIN)),
        "tuples, cancellations": tuples(with_undoing(needed, source())),
        "histories": histories(known),
        "histories of limited reach": histories(until(behaviours.select(*NEEDED), DS, reach_begins(DS, 2))),
        "tuples of limited reach": tuples(standing(until(behaviours.select(*NEEDED), DS, REACHED), PLAIN)),
    }
    settings = {"spark.sql.autoBroadcastJoinThreshold": "-1", "spark.sql.maxMetadataStringLength": "10000"}
    before = {key: spark.conf.get(key) for key in settings}
    try:
        for key, value in settings.items():
            spark.conf.set(key, value)
        return {name: (steps(frame), scans(frame)) for name, frame in frames.items()}
    finally:
        for key, held in before.items():
            spark.conf.set(key, held)


SHUFFLES = {
    "ingest": 1,
    "ingest, all rules": 4,
    "held days": 1,
    "vocabulary": 1,
    "items": 1,
    "users": 2,
    "tuples": 1,
    "tuples, cancellations": 6,
    "histories": 1,
    "histories of limited reach": 1,
    "tuples of limited reach": 1,
}
"""How often rows move between tasks where nothing but items and vocabulary is small enough to be broadcast."""


def test_every_step_shuffles_as_often_as_the_docs_say_and_crosses_nothing(plans: dict[str, Plan]) -> None:
    assert {name: operators.count("Exchange") for name, (operators, _) in plans.items()} == SHUFFLES
    for operators, _ in plans.values():
        assert not {"CartesianProduct", "BroadcastNestedLoopJoin"} & set(operators)


def test_a_night_reads_no_day_after_its_own_and_no_column_that_it_does_not_need(plans: dict[str, Plan]) -> None:
    read = {name: scans for name, (_, scans) in plans.items() if not name.startswith("ingest")}
    assert all(read.values())
    for name, found in read.items():
        for columns, filters in found:
            assert f"(event_day <= {DS})" in filters, name
            assert n.SOURCE not in columns, name
            assert name == "items" or n.ITEM_ATTRIBUTES not in columns, name
    for name in ("tuples", "tuples, cancellations", "histories"):
        assert all(columns < set(NEEDED) for columns, _ in read[name]), name
    ((_, filters),) = read["tuples of limited reach"]
    assert f"(event_day >= {REACHED})" in filters
    ((_, filters),) = read["histories of limited reach"]
    assert f"(event_day >= {DS - timedelta(days=2)})" in filters
    ((columns, filters),) = read["held days"]
    assert columns == set()
    assert f"(event_day >= {DS})" in filters
