"""Writing a night's tuples: Parquet files under a name of their own, then the manifest that makes them count."""

from __future__ import annotations

import json
import logging
import os
import time
from datetime import UTC, date, timedelta
from datetime import datetime as moment
from typing import Any
from urllib.parse import unquote

import pyarrow.fs as fs
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from mind.errors import BrokenPromise
from mind.storage.audit import check_rows, content_fingerprint, promised_columns
from mind.storage.places import opened, replace_file
from mind.storage.tuple_files import night_folder
from mind.tables import CATALOGUE, TUPLES
from mind.tables import names as n
from mind.tables.manifest import Manifest, TupleFile
from mind.tables.tuples import AGE_BUCKETS

log = logging.getLogger("mind")

KEEP = timedelta(days=1)
"""Files that a newer manifest replaced stay this long: a training that began before may still read them."""


def write_tuples(
    root: str,
    ds: date,
    tuples: DataFrame,
    catalogue: DataFrame,
    files: int,
    expected: dict[str, int],
    facts: dict[str, Any],
) -> Manifest:
    """Write the splits and the catalogue of a night, check them, and replace the manifest in one move.

    Rows lie in an order that depends on the data alone: spread over `files` files by a hash of the event, sorted by
    that hash, so users are mixed in every file.

    Raises:
        ContractError: a frame breaks its contract.
        BrokenPromise: a split has other rows than `expected`, which was counted on another way.
    """
    folder = night_folder(root, ds)
    attempt = f"{folder}/attempt-{time.time_ns()}-{os.getpid()}"
    hashed = F.xxhash64(n.EVENT_ID)
    tuples = promised_columns(TUPLES, tuples.withColumn(n.DS, F.lit(ds))).persist()
    catalogue = promised_columns(CATALOGUE, catalogue.withColumn(n.DS, F.lit(ds))).persist()
    try:
        check_rows(TUPLES, tuples)
        check_rows(CATALOGUE, catalogue)
        placed = tuples.drop(n.DS).repartition(files, hashed).sortWithinPartitions(n.SPLIT, hashed, n.EVENT_ID)
        # A manifest's URL is quoted; Spark takes a path letter by letter.
        plain = unquote(attempt) if attempt.startswith("file:") else attempt
        write_lists(placed, plain, n.SPLIT)
        write_lists(catalogue.drop(n.DS).coalesce(1).sortWithinPartitions(n.ITEM_INDEX), f"{plain}/catalogue")
        content = f"{content_fingerprint(tuples)}/{content_fingerprint(catalogue)}"
    finally:
        tuples.unpersist()
        catalogue.unpersist()
    manifest = Manifest(
        ds=ds.isoformat(),
        content=content,
        age_buckets=AGE_BUCKETS if n.HISTORY_AGES in tuples.columns else 0,
        splits={split: _written(f"{attempt}/{n.SPLIT}={split}") for split in expected},
        catalogue=_written(f"{attempt}/catalogue"),
        **facts,
    )
    for split, rows in expected.items():
        if manifest.rows(split) != rows:
            raise BrokenPromise(f"split {split} of {ds} has {manifest.rows(split)} rows on disk, {rows} were due")
    replace_manifest(f"{folder}/manifest.json", manifest)
    _sweep(folder, attempt)
    log.info("tuples: %s", ", ".join(f"{manifest.rows(split):,} {split}" for split in expected))
    return manifest


def write_lists(frame: DataFrame, path: str, *partitions: str) -> None:
    """Parquet files of a frame that is lists of numbers for the most part.

    Two of Spark's defaults cost a quarter of the time that tuples take to write: five calls for every number of a list
    (a list without nulls may lie in two levels instead of three, which every reader of Parquet knows), and a dictionary
    of item indexes, which seldom pays and then makes the files larger.
    """
    setting = "spark.sql.parquet.writeLegacyFormat"
    conf = frame.sparkSession.conf
    before = str(conf.get(setting))
    conf.set(setting, "true")
    try:
        frame.write.partitionBy(*partitions).option("parquet.enable.dictionary", "false").parquet(path)
    finally:
        conf.set(setting, before)


def _written(folder: str) -> list[TupleFile]:
    """The Parquet files in a folder, in the order of their names, with the rows that their footers state."""
    system, path = opened(folder)
    infos = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    names = sorted(info.base_name for info in infos if info.base_name.endswith(".parquet"))
    return [
        TupleFile(url=f"{folder}/{name}", rows=pq.read_metadata(f"{path}/{name}", filesystem=system).num_rows)
        for name in names
    ]


def replace_manifest(uri: str, manifest: Manifest) -> None:
    """Let a new manifest count from now on, in one move."""
    # Without the defaults, which stand for options that are off: their manifests stay as they were.
    replace_file(uri, json.dumps(manifest.model_dump(mode="json", exclude_defaults=True), indent=1).encode())


def _sweep(folder: str, keep: str) -> None:
    system, path = opened(folder)
    now = moment.now().astimezone()
    for info in system.get_file_info(fs.FileSelector(path)):
        if not info.base_name.startswith("attempt-") or keep.endswith(info.base_name):
            continue
        # A store of objects has no folders, and so no time of one: there the name tells when the attempt began.
        began = info.mtime or moment.fromtimestamp(int(info.base_name.split("-")[1]) / 1e9, UTC)
        if now - began > KEEP:
            system.delete_dir(info.path)
