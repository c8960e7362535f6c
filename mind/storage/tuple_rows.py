"""A split of a night's tuples as rows of Spark, each with its place, and whether every row of every file was seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.errors import BrokenPromise, first_line, told_by_spark
from mind.storage.spark_schema import spark_schema
from mind.tables import TUPLES
from mind.tables.manifest import Manifest

PLACE = "place"
"""Number of the row's file in the manifest, times 2^40, plus the row's number in the file, both from 0: ascending in
the order in which a reader without Spark sees the rows."""
_FILE = 1 << 40


def split_rows(spark: SparkSession, manifest: Manifest, split: str, columns: Sequence[str]) -> DataFrame:
    """The columns of every row of a split, and its PLACE.

    Raises:
        BrokenPromise: the split has no rows, or a file is missing.
    """
    manifest.need_rows(split)
    schema = spark_schema(TUPLES, columns)
    parts = []
    with _readable(manifest, split):
        for number, file in enumerate(manifest.splits[split]):
            # A manifest's URL is quoted; Spark takes a path letter by letter.
            path = unquote(file.url) if file.url.startswith("file:") else file.url
            place = F.lit(number * _FILE) + F.col("_metadata.row_index")
            parts.append(spark.read.schema(schema).parquet(path).select(*columns, place.alias(PLACE)))
    return reduce(DataFrame.unionByName, parts)


def collected(told: DataFrame, manifest: Manifest, split: str) -> pa.Table:
    """What `told`, made of `split_rows`, says of every row of a split, in any order; it has PLACE among its columns.

    Raises:
        BrokenPromise: a file cannot be read, or gave other rows than the manifest says.
    """
    with _readable(manifest, split):
        table = told.toArrow()
    told_of = pc.value_counts(pc.divide(table[PLACE], pa.scalar(_FILE))).to_pylist()
    rows = {group["values"]: group["counts"] for group in told_of}
    for number, file in enumerate(manifest.splits[split]):
        file.check_rows(rows.get(number, 0))
    return table


@contextmanager
def _readable(manifest: Manifest, split: str) -> Iterator[None]:
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        reason = told_by_spark(error) or first_line(error)
        raise BrokenPromise(
            f"split {split} of {manifest.ds} cannot be read: {reason}; run build_tuples --ds {manifest.ds} again"
        ) from error
