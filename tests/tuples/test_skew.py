"""One user with a million events and one item with half of all of them: right tuples, within the heap of even data."""

from __future__ import annotations

import os
import subprocess
import sys
from bisect import bisect_left
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from mind.tables import names as n
from tests.bench.shop_log import DS, START
from tests.bench.tuple_engines import LENGTH, MOST, TEST, TRAIN, VALIDATION

HEAVY = 1_000_000
REST = 200_000
USERS, ITEMS = 5_000, 2_000
DAYS = 10
"""How far histories reach in a second run: the heavy user's are as long as ever, of the others many are cut short."""
HEAP = "1g"
"""Enough for as many rows of even data; a user's million events or an item's half of all must not need more."""


def write_log(folder: Path, user: NDArray[np.int64], item: NDArray[np.int64], second: NDArray[np.int64]) -> Path:
    """The tables that the engines of the benchmark read."""
    (folder / "events").mkdir(parents=True)
    rows = len(user)
    moment = int(START.timestamp()) + second
    one_each = pa.array(np.arange(rows + 1, dtype=np.int32))
    country = pa.MapArray.from_arrays(one_each, pa.array(["country"] * rows), pa.array(["here"] * rows))
    events = {
        n.EVENT_ID: pa.array([f"{number:032d}" for number in range(rows)]),
        n.USER_ID: pa.array([f"user-{number}" for number in user]),
        n.ITEM_ID: pa.array([f"item-{number:04d}" for number in item]),
        n.EVENT_TYPE: pa.array(["buy"] * rows),
        n.EVENT_TIME: pa.array(moment * 1_000_000, pa.timestamp("us", tz="UTC")),
        n.EVENT_DAY: pa.array((moment // 86_400).astype(np.int32), pa.date32()),
        n.USER_VALUES: country,
    }
    pq.write_table(pa.table(events), folder / "events" / "part-0.parquet", row_group_size=100_000)
    index = np.arange(2, ITEMS + 2, dtype=np.int32)
    names = [f"item-{number:04d}" for number in range(ITEMS)]
    codes = pa.array(np.stack([index, index % 7], axis=1).tolist(), pa.list_(pa.int32()))
    pq.write_table(pa.table({n.ITEM_ID: names, n.ITEM_INDEX: index, n.ITEM_CODES: codes}), folder / "items.parquet")
    one = {n.FEATURE: ["country"], n.VALUE: ["here"], n.INDEX: pa.array([2], pa.int32())}
    pq.write_table(pa.table(one | {n.ADDED_DS: pa.array([DS])}), folder / "vocabulary.parquet")
    return folder


def tuples(log: Path, days: int = 0) -> None:
    """Make the log's tuples in a process of its own, with a small heap."""
    settings = {"MIND_BENCH_MEMORY": HEAP, "MIND_BENCH_HISTORY_DAYS": str(days)}
    words = [sys.executable, "-m", "tests.bench.tuples", "--engine", "spark", "--log", str(log)]
    done = subprocess.run(words, env=os.environ | settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def by_a_loop(item: list[int], second: list[int], days: int) -> list[tuple[Any, ...]]:
    """(split, event, history, target) of one user whose events are numbered in the order of histories."""
    reach = days * 86_400 or 10**9
    ends = np.cumsum([365 - TRAIN - VALIDATION - TEST, TRAIN, VALIDATION, TEST]) * 86_400
    made = []
    for split, start, end in zip(("train", "validation", "test"), ends, ends[1:], strict=False):
        inside = []
        for place, when in enumerate(second):
            before = bisect_left(second, when)
            if start <= when < end and before and second[before - 1] >= when - reach:
                inside.append((place, max(before - LENGTH, bisect_left(second, when - reach)), before))
        for place, first, before in inside[-MOST:]:
            history = [number + 2 for number in item[first:before]]
            padded = history + [0] * (LENGTH - len(history))
            made.append((split, place, padded, [item[place] + 2, (item[place] + 2) % 7]))
    return sorted(made)


@pytest.mark.slow
def test_a_heavy_user_and_a_heavy_item_cost_no_more_memory_than_even_data(tmp_path: Path) -> None:
    chance = np.random.default_rng(9)
    rows = HEAVY + REST
    second = chance.integers(0, 365 * 86_400, rows)
    item = np.where(chance.random(rows) < 0.5, 0, chance.integers(0, ITEMS, rows))
    user = np.where(np.arange(rows) < HEAVY, 0, chance.integers(1, USERS, rows))
    order = np.lexsort([item, second, user])
    skewed = write_log(tmp_path / "skewed", user[order], item[order], second[order])
    even = write_log(tmp_path / "even", chance.integers(0, USERS, rows), chance.integers(0, ITEMS, rows), second)
    tuples(even)
    for days in (0, DAYS):
        tuples(skewed, days)
        for who in (0, 17):
            theirs = order[user[order] == who]
            found = pq.read_table(skewed / "spark-tuples", filters=[(n.USER_ID, "=", f"user-{who}")]).to_pylist()
            first = int(np.searchsorted(user[order], who))
            told = [(row[n.SPLIT], int(row[n.EVENT_ID]) - first, row[n.HISTORY], row[n.TARGET]) for row in found]
            assert sorted(told) == by_a_loop(item[theirs].tolist(), second[theirs].tolist(), days)
