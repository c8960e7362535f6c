"""Tuples for the loader's benchmark, written without Spark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mind.tables import names as n
from mind.tables.manifest import TupleFile


def write_tuples(folder: Path, rows: int, length: int, countries: int) -> list[TupleFile]:
    """Two files of `rows` tuples in all: histories of every length up to `length`, one item and one profile feature."""
    random = np.random.default_rng(3)
    files = []
    for place in range(2):
        history = random.integers(2, 10_000, (rows // 2, length), dtype=np.int32)
        profile, target = history[:, 0] % countries, history[:, 1].copy()
        history[np.arange(length) >= random.integers(1, length + 1, (rows // 2, 1))] = 0
        lists = {
            n.HISTORY: pa.ListArray.from_arrays(np.arange(0, rows // 2 * length + 1, length), history.ravel()),
            n.PROFILE: pa.ListArray.from_arrays(np.arange(rows // 2 + 1), profile),
            n.TARGET: pa.ListArray.from_arrays(np.arange(rows // 2 + 1), target),
        }
        path = folder / f"part-{place}.parquet"
        pq.write_table(pa.table(lists), path, row_group_size=20_000)
        files.append(TupleFile(url=path.as_uri(), rows=rows // 2))
    return files
