"""A person out of every night's tuples: files written anew without the rows, then the manifest, then the old gone."""

from __future__ import annotations

import logging
from datetime import date
from functools import reduce
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as fs
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.storage.audit import content_fingerprint, promised_columns
from mind.storage.places import opened
from mind.storage.tuple_files import night_folder, read_manifest, table_uri
from mind.storage.tuple_writer import replace_manifest
from mind.tables import CATALOGUE, TUPLES
from mind.tables import names as n
from mind.tables.manifest import Manifest, TupleFile

log = logging.getLogger("mind")


def forget_in_tuples(spark: SparkSession, root: str, user_id: str) -> int:
    """Take the user's rows out of the tuples of every night; the number of rows.

    A training that reads these files at the same moment fails and is started again.
    """
    system, path = opened(table_uri(root, "tuples"))
    infos = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    nights = sorted(info.base_name.removeprefix("ds=") for info in infos if info.base_name.startswith("ds="))
    rows = sum(_forget_in_night(spark, root, night, user_id) for night in nights)
    log.info("tuples: %s rows deleted", f"{rows:,}", extra={"table": TUPLES.name, "rows_deleted": rows})
    return rows


def content_of(spark: SparkSession, manifest: Manifest) -> str:
    """The fingerprint of a night's tuples and catalogue, from their files."""
    held = {split: files for split, files in manifest.splits.items() if files}
    splits = [_frame(spark, files).withColumn(n.SPLIT, F.lit(split)) for split, files in held.items()]
    parts = ((TUPLES, reduce(DataFrame.unionByName, splits)), (CATALOGUE, _frame(spark, manifest.catalogue)))
    prints = [
        content_fingerprint(promised_columns(contract, frame.withColumn(n.DS, F.lit(manifest.ds).cast("date"))))
        for contract, frame in parts
    ]
    return "/".join(prints)


def _frame(spark: SparkSession, files: list[TupleFile]) -> DataFrame:
    return spark.read.parquet(*[unquote(file.url) if file.url.startswith("file:") else file.url for file in files])


def _forget_in_night(spark: SparkSession, root: str, night: str, user_id: str) -> int:
    folder = night_folder(root, date.fromisoformat(night))
    system, path = opened(folder)
    if system.get_file_info(f"{path}/manifest.json").type == fs.FileType.NotFound:
        # No tuples yet, or the rest of a run that was stopped: nobody reads it.
        system.delete_dir_contents(path)
        return 0
    manifest = read_manifest(root, date.fromisoformat(night))
    kept = {split: [_without(file, user_id) for file in files] for split, files in manifest.splits.items()}
    rows = sum(manifest.rows(split) - sum(file.rows for file in files) for split, files in kept.items())
    if rows:
        manifest = manifest.model_copy(update={"splits": kept})
        manifest = manifest.model_copy(update={"content": content_of(spark, manifest)})
        replace_manifest(f"{folder}/manifest.json", manifest)
    _sweep(system, path, manifest)
    return rows


def _without(file: TupleFile, user_id: str) -> TupleFile:
    """The file, or a new one beside it without the user's rows; row groups stay what they are."""
    system, path = opened(file.url)
    held = pq.ParquetFile(system.open_input_file(path))
    groups = [held.read_row_group(number) for number in range(held.num_row_groups)]
    kept = [group.filter(pc.not_equal(group[n.USER_ID], pa.scalar(user_id))) for group in groups]
    rows = sum(group.num_rows for group in kept)
    if rows == file.rows:
        return file
    name = "-kept.parquet"
    with (
        system.open_output_stream(path.removesuffix(".parquet") + name) as stream,
        pq.ParquetWriter(stream, held.schema_arrow) as writer,
    ):
        for group in kept:
            if group.num_rows:
                writer.write_table(group)
    return TupleFile(url=file.url.removesuffix(".parquet") + name, rows=rows)


def _sweep(system: fs.FileSystem, path: str, manifest: Manifest) -> None:
    """Delete every Parquet file of the night that the manifest does not name, with its checksum file."""
    files = [*manifest.catalogue, *(file for held in manifest.splits.values() for file in held)]
    named = {opened(file.url)[1] for file in files}
    for info in system.get_file_info(fs.FileSelector(path, recursive=True)):
        if info.is_file and info.base_name.endswith(".parquet") and info.path not in named:
            system.delete_file(info.path)
            checksum = f"{info.path.rpartition('/')[0]}/.{info.base_name}.crc"
            if system.get_file_info(checksum).is_file:
                system.delete_file(checksum)
