"""Raw logs as they come: files in, one frame out, or an error that names the file."""

from __future__ import annotations

import logging
from datetime import date, datetime

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.errors import BadInput, first_line, told_by_spark
from mind.source import ITEM_FILE, USER_FILE, Source
from mind.storage.dated_files import DAY, dated_paths, day_of
from mind.storage.feature_files import beside
from mind.storage.raw_files import open_files
from mind.tables import names as n

log = logging.getLogger("mind")


def read_raw_log(
    spark: SparkSession,
    source: Source,
    path: str,
    first: date = date.min,
    last: date = date.max,
    as_of: datetime | None = None,
) -> DataFrame:
    """The raw rows, each with the name of its file in `source_file`, and in `item_file` and `user_file` what those
    files say of its item and its user (null where they say nothing; absent where the source has no such file).

    Where the path has a day in it (`{ds}`), no file but those of the days `first` to `last` is opened, and the column
    LOG_DAY holds the day of a row's file.

    Of a file whose rows have moments the latest of an item or user counts; with `as_of`, the latest strictly before it.

    Raises:
        BadInput: the log or a file is missing, cannot be opened, or has lost or changed a column of `fields`; a row of
            a file with moments has none.
    """
    dated = DAY in path
    if dated and source.format == "delta":
        raise BadInput(f"source {source.name}: {DAY} stands in {path}, but a Delta table has one path for all days")
    paths = dated_paths(spark, path, first, last) if dated else [path]
    try:
        frame = open_files(spark, source, paths, "the log")
        frame = frame.withColumn(n.SOURCE_FILE, _decoded("_metadata.file_name"))
        if dated:
            frame = frame.withColumn(n.LOG_DAY, day_of(F.col("_metadata.file_path"), path, paths[0]))
        frame = frame.drop("_metadata")
        # One small file is one task; parsing it on one core would be most of a short night.
        cores = spark.sparkContext.defaultParallelism
        frame = frame.repartition(cores) if frame.rdd.getNumPartitions() < cores else frame
    except (PySparkException, Py4JJavaError) as error:
        reason = told_by_spark(error) or first_line(error)
        raise BadInput(
            f"source {source.name}: {path} cannot be read as {source.format}: {reason.rstrip('.')}. "
            "Set ingest.path to the log, or mend the source description."
        ) from error
    for name, file, key in (
        (ITEM_FILE, source.item_file, source.columns.item_id),
        (USER_FILE, source.user_file, source.columns.user_id),
    ):
        if file is not None:
            frame = beside(frame, file, name, key, source, path, as_of)
    return frame


def _decoded(name: str) -> Column:
    """A file's name as it is: Spark gives it percent-encoded, with a plus that stands for itself."""
    return F.try_url_decode(F.replace(F.col(name), F.lit("+"), F.lit("%2B")))
