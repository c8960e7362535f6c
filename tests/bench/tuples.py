"""Tuples from 2 and 20 million events: Spark as `jobs/build_tuples.py` does it, beside DuckDB and beside a pandas loop.

    python -m tests.bench.tuples [--quick]

Every engine reads the same Parquet files and writes the same tuples (checked) to Parquet, on two cores, each in a
process of its own. Starting Spark is not counted, its first compilation is. The log is made once, below build/bench.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench.record import record
from tests.bench.shop_log import generate
from tests.bench.tuple_engines import ENGINES

FOLDER = Path("build/bench")


def measured(engine: str, log: Path) -> dict[str, float]:
    """Seconds and peak memory of one engine in a fresh process."""
    words = [sys.executable, "-m", "tests.bench.tuples", "--engine", engine, "--log", str(log)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    seconds, cpu, peak = (found[name] for name in ("seconds", "cpu_seconds", "peak_gb"))
    sys.stdout.write(f"{log.name}  {engine:<7} {seconds:7.1f} s  {cpu:7.1f} s of CPU  {peak:.1f} GB\n")
    sys.stdout.flush()
    return found


def content(out: Path) -> tuple[Any, ...]:
    """What two sets of equal tuples have in common, whatever their order."""
    import duckdb

    lists = ", ".join(f"{name}::int[]" for name in ("history", "profile", "target"))
    cells = f"user_id, split, item_id, event_id, epoch_us(target_time::timestamptz), history_length::int, {lists}"
    query = f"select count(*), sum(hash({cells}))::hugeint from '{out}/*.parquet'"
    (found,) = duckdb.sql(query).fetchall()
    return tuple(found)


def main() -> None:
    flags = argparse.ArgumentParser(allow_abbrev=False)
    flags.add_argument("--quick", action="store_true", help="2 million events alone")
    flags.add_argument("--engine", choices=list(ENGINES), help=argparse.SUPPRESS)
    flags.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    given = flags.parse_args()
    if given.engine:
        found = ENGINES[given.engine](given.log, given.log / f"{given.engine}-tuples")
        sys.stdout.write(json.dumps(found) + "\n")
        return
    small = generate(FOLDER / "2m", 2_000_000)
    times = {engine: measured(engine, small) for engine in ENGINES}
    _check(small, list(ENGINES))
    record({"tuples.2m.over_pandas": times["pandas"]["seconds"] / times["spark"]["seconds"]})
    if given.quick:
        return
    large = generate(FOLDER / "20m", 20_000_000)
    great = {engine: measured(engine, large) for engine in ("spark", "duckdb")}
    _check(large, ["spark", "duckdb"])
    seconds = great["spark"]["seconds"]
    record(
        {
            "tuples.20m.over_duckdb": great["duckdb"]["seconds"] / seconds,
            "tuples.20m.over_2m_time": seconds / times["spark"]["seconds"],
            "tuples.20m.peak_gb": great["spark"]["peak_gb"],
            "tuples.20m.events_per_s": 20_000_000 / seconds,
        }
    )


def _check(log: Path, engines: list[str]) -> None:
    found = {engine: content(log / f"{engine}-tuples") for engine in engines}
    if len(set(found.values())) != 1:
        sys.exit(f"the engines made different tuples (rows, content): {found}")
    sys.stdout.write(f"{log.name}  {found['spark'][0]:,} equal tuples from every engine\n")


if __name__ == "__main__":
    main()
