"""The same tuples by Spark, as `jobs/build_tuples.py` makes them, by DuckDB and by the loop of most tutorials."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.shop_log import DS

CORES = 2
LENGTH, MOST = 50, 500
TRAIN, VALIDATION, TEST = 78, 7, 7
"""Days of targets: a quarter of the events are targets."""
MEMORY = "3g"
"""The heap of Spark (MIND_BENCH_MEMORY in the environment gives another), and DuckDB's limit.

MIND_BENCH_HISTORY_DAYS limits histories on Spark's side alone, for tests/tuples/test_skew.py."""
SUBMIT = (
    f"--master local[{CORES}] --driver-memory {os.environ.get('MIND_BENCH_MEMORY', MEMORY)} "
    "--conf spark.jars=.jars/delta-spark_4.0_2.13-4.4.0.jar,.jars/delta-storage-4.4.0.jar "
    "--conf spark.ui.enabled=false --conf spark.ui.showConsoleProgress=false "
    "--conf spark.driver.bindAddress=127.0.0.1 --conf spark.driver.host=127.0.0.1 "
    "--conf 'spark.driver.extraJavaOptions=-Dlog4j2.configurationFile=conf/spark/log4j2.properties "
    "-XX:+UseParallelGC -XX:+UseTransparentHugePages' "
    "--conf spark.shuffle.compress=false --conf spark.sql.shuffle.partitions=16 pyspark-shell"
)
"""Like a cluster's executor, not like conf/spark/local.conf, which is made for short jobs: it compiles less. The
parallel collector, since nothing here waits for an answer: G1 took an eighth more of the time. A shuffle that stays on
one machine is not compressed, which took a twentieth off, and so did huge pages."""


def spark_tuples(log: Path, out: Path) -> dict[str, float]:
    """What jobs/build_tuples.py does between the lake and the writer."""
    from mind.config import TuplesSection
    from mind.preflight import find_java
    from mind.source import Source, SourceColumns
    from mind.storage.session import session
    from mind.storage.tuple_writer import write_lists
    from mind.tuples.build import build_tuples, target_sequences

    os.environ |= {"JAVA_HOME": str(find_java()), "PYSPARK_PYTHON": sys.executable, "PYSPARK_SUBMIT_ARGS": SUBMIT}
    spark = session()
    shutil.rmtree(out, ignore_errors=True)
    source = Source(
        name="bench",
        description="tests/bench/shop_log.py",
        format="parquet",
        path=str(log),
        time_zone="UTC",
        columns=SourceColumns(user_id="user_id", item_id="item_id", event_type="event_type", event_time="event_time"),
        positive_events=("buy",),
        item_features={"category": "category"},
        user_features={"country": "country"},
    )
    section = TuplesSection(
        history_days=int(os.environ.get("MIND_BENCH_HISTORY_DAYS", "0")),
        history_length=LENGTH,
        split="time",
        train_days=TRAIN,
        validation_days=VALIDATION,
        test_days=TEST,
        targets_per_user=MOST,
        targets_kept="latest",
        next_targets=1,
        files=8,
    )
    events, items, vocabulary = (spark.read.parquet(str(log / f"{name}")) for name in NAMES)
    jvm = Path(f"/proc/{spark.sparkContext._gateway.proc.pid}/status")  # type: ignore[union-attr]
    started, before = time.monotonic(), _cpu_seconds(jvm.parent / "stat")
    sequences = target_sequences(events, items, vocabulary, source, DS, section)
    write_lists(build_tuples(sequences, section), str(out))
    seconds = time.monotonic() - started
    peak = _peak_gb(jvm) + _peak_gb(Path("/proc/self/status"))
    cpu = _cpu_seconds(jvm.parent / "stat") - before
    spark.stop()
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_gb": peak}


NAMES = ("events", "items.parquet", "vocabulary.parquet")
DUCKDB = """
copy (
    with events as (
        select user_id, event_time, item_id, event_id, event_day, item_index, item_codes,
            case when user_values['country'] is null then 0 else coalesce(v.index, 1) end as country,
            rank() over (partition by user_id order by event_time) - 1 as before
        from '{log}/events/*.parquet' join '{log}/items.parquet' using (item_id)
        left join '{log}/vocabulary.parquet' v on v.feature = 'country' and v.value = user_values['country']
    ),
    sequences as (
        select user_id, list(item_index order by event_time, item_id, country) as items,
            list(country order by event_time, item_id, country) as countries
        from events group by user_id
    ),
    targets as (
        select *, case when event_day > date '{ds}' - {test} then 'test'
            when event_day > date '{ds}' - {test} - {validation} then 'validation' else 'train' end as split
        from events
        where before > 0 and event_day between date '{ds}' - {test} - {validation} - {train} + 1 and date '{ds}'
        qualify row_number() over (
            partition by user_id, split order by event_time desc, item_id desc, event_id desc) <= {most}
    )
    select user_id, split, item_id, event_id, event_time as target_time,
        list_resize(list_slice(items, greatest(before - {length}, 0) + 1, before), {length}, 0) as history,
        least(before, {length})::int as history_length, [countries[before]] as profile, item_codes as target
    from targets join sequences using (user_id)
) to '{out}' (format parquet)
"""


def duckdb_tuples(log: Path, out: Path) -> dict[str, float]:
    """The same in one statement."""
    import duckdb

    out.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"set threads = {CORES}; set preserve_insertion_order = false")
        connection.execute(f"set memory_limit = '{MEMORY}b'; set temp_directory = '{out.parent}/duckdb-spill'")
        started, before = time.monotonic(), time.process_time()
        days = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
        target = str(out / "tuples.parquet")
        connection.execute(DUCKDB.format(log=log, out=target, ds=DS, length=LENGTH, most=MOST, **days))
        seconds, cpu = time.monotonic() - started, time.process_time() - before
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_gb": _peak_gb(Path("/proc/self/status"))}


def pandas_tuples(log: Path, out: Path) -> dict[str, float]:
    """The loop of most tutorials: group by user, then lists."""
    from datetime import timedelta

    import pandas as pd

    started, before_loop = time.monotonic(), time.process_time()
    events = pd.concat([pd.read_parquet(file) for file in sorted((log / "events").glob("*.parquet"))])
    codes = pd.read_parquet(log / "items.parquet").set_index("item_id")["item_codes"].to_dict()
    countries = pd.read_parquet(log / "vocabulary.parquet").set_index("value")["index"].to_dict()
    events["country"] = [countries[dict(values)["country"]] for values in events["user_values"]]
    events["index"] = [codes[item][0] for item in events["item_id"]]
    first_day = {
        "train": DS - timedelta(days=TRAIN + VALIDATION + TEST - 1),
        "validation": DS - timedelta(days=VALIDATION + TEST - 1),
        "test": DS - timedelta(days=TEST - 1),
    }
    rows = []
    for user, group in events.sort_values(["user_id", "event_time", "item_id", "country"]).groupby("user_id"):
        items, moments = group["index"].tolist(), group["event_time"].tolist()
        profiles, days = group["country"].tolist(), group["event_day"].tolist()
        names, ids = group["item_id"].tolist(), group["event_id"].tolist()
        made: dict[str, list[tuple[Any, ...]]] = {split: [] for split in first_day}
        before = 0
        for place, moment in enumerate(moments):
            if place and moment != moments[place - 1]:
                before = place
            if before == 0 or days[place] < first_day["train"] or days[place] > DS:
                continue
            history = items[max(0, before - LENGTH) : before]
            split = next(name for name in ("test", "validation", "train") if days[place] >= first_day[name])
            padded = history + [0] * (LENGTH - len(history))
            tuple_ = (padded, len(history), [profiles[before - 1]], list(codes[names[place]]))
            made[split].append((user, split, names[place], ids[place], moment, *tuple_))
        for targets in made.values():
            targets.sort(key=lambda target: (target[4], target[2], target[3]))
            rows += targets[-MOST:]
    columns = [
        "user_id",
        "split",
        "item_id",
        "event_id",
        "target_time",
        "history",
        "history_length",
        "profile",
        "target",
    ]
    out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=columns).to_parquet(out / "tuples.parquet")
    cpu = time.process_time() - before_loop
    return {"seconds": time.monotonic() - started, "cpu_seconds": cpu, "peak_gb": _peak_gb(Path("/proc/self/status"))}


def _cpu_seconds(stat: Path) -> float:
    """Seconds of all threads of a process so far: on a machine that others use, a steadier measure than the clock."""
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_gb(status: Path) -> float:
    """The largest resident memory so far, as Linux counts it."""
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e6


ENGINES = {"spark": spark_tuples, "duckdb": duckdb_tuples, "pandas": pandas_tuples}
