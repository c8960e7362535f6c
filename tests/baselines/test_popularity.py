"""How often each item was chosen in a span of days."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from pyspark.sql import SparkSession

from mind.baselines.popularity import item_counts
from mind.tables import ITEMS
from mind.tables import names as n
from tests.features.slow import DAY, ITEM_INDEX, UNLISTED, items_frame, log_frame, random_log
from tests.storage.frames import rows_of


def test_counts_are_of_the_days_first_and_last_included(spark: SparkSession) -> None:
    rows, first, last = random_log(9), DAY + timedelta(days=2), DAY + timedelta(days=4)
    counted = item_counts(log_frame(spark, rows), items_frame(spark), first, last)
    expected = Counter(row[n.ITEM_ID] for row in rows if first <= row[n.EVENT_DAY] <= last)
    expected.pop(UNLISTED)
    assert {row[n.ITEM_ID]: row[n.BEHAVIOURS] for row in rows_of(counted)} == expected
    assert {row[n.EVENT_DAY] for row in rows} > {first, last}


def test_items_without_a_behaviour_stay_with_0_and_keep_their_other_columns(spark: SparkSession) -> None:
    items = items_frame(spark)
    never = item_counts(log_frame(spark, random_log(9)), items, DAY - timedelta(days=9), DAY - timedelta(days=8))
    assert {row[n.ITEM_ID]: row[n.BEHAVIOURS] for row in rows_of(never)} == dict.fromkeys(ITEM_INDEX, 0)
    others = [name for name in ITEMS.column_names if name != n.BEHAVIOURS]
    assert rows_of(never, *others) == rows_of(items, *others)
