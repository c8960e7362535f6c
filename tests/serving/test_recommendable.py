"""Items that no list may hold: blocked, not allowed, inactive; each told with its reason, and bad lists by name."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from mind.config import load
from mind.errors import BadInput, MindError
from mind.recommending import RetrievalSection
from mind.serving.recommendable import WHY, left_out, recommendable
from mind.storage.item_lists import read_item_list
from mind.tables import names as n

DS = date(2011, 12, 8)
KEY = "retrieval.blocklist"


@pytest.fixture(scope="module")
def items(spark: SparkSession) -> DataFrame:
    """The last behaviours are at midnight of Berlin between the 6th and the 7th, before, and after."""
    seen = {"late": (7, 12), "edge": (6, 23), "old": (6, 22), "dead": (1, 0), "Ünï 'q'": (8, 9)}
    rows = [(item, datetime(2011, 12, day, hour, 30, tzinfo=UTC)) for item, (day, hour) in seen.items()]
    return spark.createDataFrame(rows, f"{n.ITEM_ID} string, {n.LAST_SEEN} timestamp").persist()


def section(**changes: object) -> RetrievalSection:
    return RetrievalSection(**(load().retrieval.model_dump() | changes))  # type: ignore[arg-type]


def told(spark: SparkSession, items: DataFrame, **changes: object) -> dict[str, str]:
    out = left_out(spark, items, DS, "Europe/Berlin", section(**changes))
    return {row[n.ITEM_ID]: row[WHY] for row in out.collect()}


def test_each_reason_leaves_out_its_own_items_and_the_first_is_told(
    spark: SparkSession, items: DataFrame, tmp_path: Path
) -> None:
    blocked, allowed = tmp_path / "blocked.csv", tmp_path / "allowed.json"
    blocked.write_text("item_id,reason\ndead,recalled\nlate,\n\"Ünï 'q'\",adults only\n", encoding="utf-8")
    allowed.write_text('{"item_id": "late"}\n{"item_id": "old"}\n{"item_id": "dead"}\n')
    assert told(spark, items) == {}
    assert told(spark, items, blocklist=str(blocked)) == {
        "dead": "blocked: recalled",
        "late": "blocked",
        "Ünï 'q'": "blocked: adults only",
    }
    assert told(spark, items, inactive_days=2) == {
        "old": "inactive: last behaviour on 2011-12-06",
        "dead": "inactive: last behaviour on 2011-12-01",
    }
    every = told(spark, items, inactive_days=2, allowlist=str(allowed), blocklist=str(blocked))
    assert every == {
        "dead": "blocked: recalled",
        "late": "blocked",
        "Ünï 'q'": "blocked: adults only",
        "edge": "not on the allow-list",
        "old": "inactive: last behaviour on 2011-12-06",
    }


def test_what_is_left_is_what_may_be_recommended_and_nothing_is_an_error(spark: SparkSession, items: DataFrame) -> None:
    out = left_out(spark, items, DS, "UTC", section(inactive_days=2))
    kept = recommendable(items.select(n.ITEM_ID), out)
    assert {row[n.ITEM_ID] for row in kept.collect()} == {"late", "Ünï 'q'"}
    with pytest.raises(MindError, match="no item may be recommended"):
        recommendable(items.select(n.ITEM_ID), items)


def test_a_list_is_read_from_a_table_and_what_is_wrong_with_it_is_reported(
    spark: SparkSession, items: DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [("late", "b"), ("late", "a"), ("", "c"), (None, "d"), (" ", "e"), ("gone", None)]
    frame = spark.createDataFrame(rows, f"{n.ITEM_ID} string, {n.REASON} string")
    frame.createOrReplaceGlobalTempView("bad_items")
    with caplog.at_level(logging.WARNING, logger="mind"):
        found = read_item_list(spark, "global_temp.bad_items", items, KEY)
    assert sorted(tuple(row) for row in found.collect()) == [("gone", None), ("late", "a")]
    for text in ("3 rows of global_temp.bad_items have no item_id", "1 rows", "name an item again", "'gone'"):
        assert text in caplog.text


def test_a_list_that_is_not_there_or_has_no_ids_is_refused_by_its_key(
    spark: SparkSession, items: DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=rf"{KEY}: .*absent\.csv cannot be read: .*PATH_NOT_FOUND"):
        read_item_list(spark, str(tmp_path / "absent.csv"), items, KEY)
    (tmp_path / "wrong.csv").write_text("sku\nlate\n")
    with pytest.raises(BadInput, match="has columns sku; one must be item_id"):
        read_item_list(spark, str(tmp_path / "wrong.csv"), items, KEY)
    with pytest.raises(BadInput, match=r"no_schema\.no_table cannot be read"):
        read_item_list(spark, "no_schema.no_table", items, KEY)
