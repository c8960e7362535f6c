"""Readers that never talk to the writer: what they see while a night is published, what the change feed tells."""

from __future__ import annotations

import sqlite3
from datetime import date
from pathlib import Path
from threading import Event, Thread

from pyspark.sql import SparkSession

from mind.storage.lake import Lake
from mind.storage.plain_delta import read_plainly
from mind.tables import CANDIDATES
from mind.tables import names as n
from tests.publishing.published import lists

DS = date(2011, 12, 8)


def test_a_polling_reader_sees_the_old_lists_or_the_new_and_the_change_feed_replays_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = Lake(spark, str(tmp_path))
    lake.replace(CANDIDATES, lists(lake, DS, 40, "old").repartition(4), DS, DS)
    done, seen = Event(), []

    def poll() -> None:
        while not done.is_set():
            table = read_plainly(lake.root, CANDIDATES)
            seen.append({(row[n.USER_ID], *row[n.ITEM_IDS]) for row in table.to_pylist()})

    reader = Thread(target=poll)
    reader.start()
    try:
        lake.replace(CANDIDATES, lists(lake, DS, 30, "new").repartition(4), DS, DS)
    finally:
        done.set()
        reader.join()
    seen.append({(row[n.USER_ID], *row[n.ITEM_IDS]) for row in read_plainly(lake.root, CANDIDATES).to_pylist()})
    old = {(f"u{user}", "old") for user in range(40)}
    new = {(f"u{user}", "new") for user in range(30)}
    assert seen[0] == old
    assert seen[-1] == new
    assert all(one in (old, new) for one in seen)
    assert replayed(lake) == {f"u{user}": "new" for user in range(30)}


def replayed(lake: Lake) -> dict[str, str]:
    """A key-value store that saw nothing but the change feed, commit by commit."""
    store = sqlite3.connect(":memory:")
    store.execute("CREATE TABLE lists (user_id TEXT PRIMARY KEY, items TEXT)")
    feed = lake.spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 0)
    changes = feed.load(lake.path(CANDIDATES)).select("_commit_version", "_change_type", n.USER_ID, n.ITEM_IDS)
    # Within a commit what is deleted goes first: a list that was replaced is a delete and an insert.
    for row in changes.orderBy("_commit_version", "_change_type").collect():
        if row["_change_type"] in ("delete", "update_preimage"):
            store.execute("DELETE FROM lists WHERE user_id = ?", (row[n.USER_ID],))
        else:
            store.execute("INSERT INTO lists VALUES (?, ?)", (row[n.USER_ID], " ".join(row[n.ITEM_IDS])))
    return dict(store.execute("SELECT user_id, items FROM lists"))
