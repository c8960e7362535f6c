"""A large log with the skew of real ones, as the lake would hold it: the input of `make bench-tuples`.

Users are log-normally active, one of them (a bot) does one event in two hundred; items are Zipf-popular; a user often
acts several times within one second. The same seed gives the same rows.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mind.tables import names as n

DAYS = 365
DS = date(2024, 12, 30)
START = datetime(2024, 1, 1, tzinfo=UTC)
COUNTRIES = 50
CATEGORIES = 400
EVENTS_PER_USER = 40
BOT_SHARE = 1 / 200
CHUNK = 1_000_000


def generate(folder: Path, events: int, seed: int = 7) -> Path:
    """Write `events`, `items` and `vocabulary` as Parquet below `folder`, unless they are there already."""
    done = folder / "done.json"
    if done.exists() and json.loads(done.read_text())["events"] == events:
        return folder
    chance = np.random.default_rng(seed)
    users, items = events // EVENTS_PER_USER, max(2_000, events // 100)
    activity = np.cumsum(chance.lognormal(0.0, 1.2, users))
    popularity = np.cumsum(1.0 / np.arange(1, items + 1) ** 1.05)
    (folder / "events").mkdir(parents=True, exist_ok=True)
    chunks = -(-events // CHUNK)
    for chunk in range(chunks):
        rows = min(CHUNK, events - chunk * CHUNK)
        user = np.searchsorted(activity, chance.random(rows) * activity[-1])
        user[chance.random(rows) < BOT_SHARE] = users
        item = np.searchsorted(popularity, chance.random(rows) * popularity[-1])
        span = DAYS * 86_400 / chunks
        second = np.sort((chance.random(rows) * span + chunk * span).astype(np.int64))
        again = np.flatnonzero(chance.random(rows - 1) < 0.2)  # the same user acts again within the second
        user[again + 1], second[again + 1] = user[again], second[again]
        table = _events(chance, user, item, second)
        pq.write_table(table, folder / "events" / f"part-{chunk:04d}.parquet", row_group_size=250_000)
    pq.write_table(_items(items), folder / "items.parquet")
    pq.write_table(_vocabulary(items), folder / "vocabulary.parquet")
    done.write_text(json.dumps({"events": events, "users": users, "items": items, "seed": seed}))
    return folder


def _events(
    chance: np.random.Generator, user: NDArray[np.int64], item: NDArray[np.int64], second: NDArray[np.int64]
) -> pa.Table:
    rows = len(user)
    moment = int(START.timestamp()) + second
    digest = chance.bytes(16 * rows).hex().encode()
    offsets = np.arange(0, 32 * (rows + 1), 32, dtype=np.int32)
    ids = pa.StringArray.from_buffers(rows, pa.py_buffer(offsets.tobytes()), pa.py_buffer(digest))
    country = pa.DictionaryArray.from_arrays(
        (user % COUNTRIES).astype(np.int32), [_country(c) for c in range(COUNTRIES)]
    )
    one_each = pa.array(np.arange(rows + 1, dtype=np.int32))
    keys = pa.array(np.full(rows, "country", dtype=object), pa.string())
    return pa.table(
        {
            n.EVENT_ID: ids,
            n.USER_ID: pa.array(np.char.add("user-", user.astype(str)), pa.string()),
            n.ITEM_ID: pa.array(np.char.add("item-", item.astype(str)), pa.string()),
            n.EVENT_TYPE: pa.array(["buy"], pa.string()).take(pa.array(np.zeros(rows, dtype=np.int32))),
            n.EVENT_TIME: pa.array(moment * 1_000_000, pa.timestamp("us", tz="UTC")),
            n.EVENT_DAY: pa.array((moment // 86_400).astype(np.int32), pa.date32()),
            n.USER_VALUES: pa.MapArray.from_arrays(one_each, keys, country.cast(pa.string())),
        }
    )


def _country(number: int) -> str:
    return f"country {number}"


def _items(items: int) -> pa.Table:
    index = np.arange(2, items + 2, dtype=np.int32)
    codes = np.stack([index, index % CATEGORIES + 2], axis=1)
    return pa.table(
        {
            n.ITEM_ID: pa.array([f"item-{number}" for number in range(items)]),
            n.ITEM_INDEX: index,
            n.ITEM_CODES: pa.array(list(codes), pa.list_(pa.int32())),
        }
    )


def _vocabulary(items: int) -> pa.Table:
    """What encoding the profile needs; item codes are in the items already."""
    return pa.table(
        {
            n.FEATURE: ["country"] * COUNTRIES,
            n.VALUE: [_country(number) for number in range(COUNTRIES)],
            n.INDEX: pa.array(range(2, COUNTRIES + 2), pa.int32()),
            n.ADDED_DS: pa.array([START.date() + timedelta(days=0)] * COUNTRIES, pa.date32()),
        }
    )
