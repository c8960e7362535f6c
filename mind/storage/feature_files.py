"""Files about items and users that lie beside the log, with a moment for each row or without one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from urllib.parse import urlsplit

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.errors import BadInput, first_line, told_by_spark
from mind.moments import to_utc
from mind.source import USER_FILE, FeatureFile, Source
from mind.storage.dated_files import folder_of_days
from mind.storage.lake import Lake
from mind.storage.raw_files import open_files
from mind.tables import PROFILES
from mind.tables import names as n

log = logging.getLogger("mind")

_KEY = "its key"
_MOMENT = "its moment"
_ROW = "its row"


def beside(
    raw: DataFrame, file: FeatureFile, name: str, key: str, source: Source, log_path: str, as_of: datetime | None
) -> DataFrame:
    """`raw` with the struct column `name`: the columns that the file gives for the row's `key`.

    Of several rows with one key the greatest in (`moment`, `prefer`, its columns) counts, so the order of rows does
    not matter. With `as_of`, rows of a file with moments count where theirs is strictly before it.
    """
    path = _path_beside(log_path, file.path)
    # The external id as the source makes it, computed before the join: its columns must not meet the file's.
    try:
        keyed = raw.withColumn("raw key", F.expr(key).cast("string"))
    except PySparkException as error:
        raise BadInput(
            f"source {source.name}: {key!r} under [columns] does not fit the log: "
            f"{told_by_spark(error) or first_line(error)} Mend it in conf/sources/{source.name}.toml."
        ) from error
    with _fitting(file, name, source, path):
        rows = _rows(raw.sparkSession, file, name, source, path)
        if file.moment and as_of is not None:
            rows = rows.where(F.col(f"`{_MOMENT}`") < F.lit(as_of))
        order = F.struct(f"`{_MOMENT}`", f"`{_ROW}`") if file.moment else F.struct(f"`{_ROW}`")
        known = rows.groupBy(f"`{_KEY}`").agg(F.max(order)[_ROW]["given"].alias(name))
        return keyed.join(known, F.col("`raw key`") == F.col(f"`{_KEY}`"), "left").drop("raw key", _KEY)


def read_profiles(spark: SparkSession, source: Source, log_path: str, ds: date, as_of: datetime) -> DataFrame:
    """The rows of `profiles` for `ds`: what the file about users says of each from each of its moments on, as far
    as that was known strictly before `as_of`, the end of `ds`.

    Of rows of one user and one moment the greatest in (`prefer`, the file's columns) counts.

    Raises:
        BadInput: the file is missing, does not fit its description, or has a row without a moment.
    """
    file = source.user_file
    assert file is not None, "the caller asks only where features have moments"
    path = _path_beside(log_path, file.path)
    with _fitting(file, USER_FILE, source, path):
        rows = _rows(spark, file, USER_FILE, source, path).where(F.col(f"`{_MOMENT}`") < F.lit(as_of))
        one = rows.groupBy(f"`{_KEY}`", f"`{_MOMENT}`").agg(F.max(f"`{_ROW}`")["given"].alias("given"))
        pairs = [(F.lit(name), F.col("given")[column]) for name, column in source.dated_features.items()]
        values = F.create_map(*[part for pair in pairs for part in pair])
        return one.select(
            F.lit(ds).alias(n.DS),
            F.col(f"`{_KEY}`").alias(n.USER_ID),
            F.col(f"`{_MOMENT}`").alias(n.KNOWN_FROM),
            values.alias(n.USER_VALUES),
        )


def profiles_of(lake: Lake, source: Source, ds: date) -> DataFrame | None:
    """The rows of `profiles` that the run of `ds` wrote; None where no feature of the source has moments.

    Raises:
        MindError: no run has written any since the source has moments.
    """
    if not source.dated_features:
        return None
    found = lake.read(PROFILES).where(F.col(n.DS) == F.lit(ds))
    if found.isEmpty():
        log.warning(
            "profiles holds no row of %s: [%s] of source %s had none from before its end, or ingest has not run since "
            "it has a moment; profiles count as missing",
            *(ds, USER_FILE, source.name),
        )
    return found


def _rows(spark: SparkSession, file: FeatureFile, name: str, source: Source, path: str) -> DataFrame:
    """The file's used rows: key, row (prefer, given) and, where rows have one, the moment in UTC."""
    frame = open_files(spark, file, [path], f"[{name}] of source {source.name}").where(F.expr(file.where))
    given = F.struct(*[F.expr(sql).cast("string").alias(column) for column, sql in file.columns.items()])
    columns = {
        _KEY: F.expr(file.key).cast("string"),
        _ROW: F.struct(F.expr(file.prefer).alias("prefer"), given.alias("given")),
    }
    if file.moment:
        columns[_MOMENT] = _moment(frame, file, name, source)
        columns["as written"] = F.expr(file.moment).cast("string")
    rows = frame.select(*[column.alias(alias) for alias, column in columns.items()])
    rows = rows.where(F.col(f"`{_KEY}`").isNotNull())
    if file.moment:
        _check_moments(rows, file, name, source, path)
    return rows


def _moment(frame: DataFrame, file: FeatureFile, name: str, source: Source) -> Column:
    kind = frame.select(F.expr(file.moment).alias(_MOMENT)).schema[_MOMENT].dataType
    what = f"source {source.name}: moment of [{name}]"
    return to_utc(F.expr(file.moment), kind, file.moment, file, file.time_zone or source.time_zone, what)


def _check_moments(rows: DataFrame, file: FeatureFile, name: str, source: Source, path: str) -> None:
    bad = F.col(f"`{_MOMENT}`").isNull()
    found = rows.agg(
        F.count_if(bad).alias("bad"),
        F.count(F.lit(1)).alias("all"),
        F.min(F.when(bad, F.col("as written"))).alias("one"),
    ).first()
    assert found is not None
    if found["bad"]:
        example = f"for example {found['one']!r}" if found["one"] is not None else "all of them null"
        raise BadInput(
            f"source {source.name}: [{name}] {path}: moment = {file.moment!r} gives no time for {found['bad']:,} of "
            f"{found['all']:,} rows, {example}. Nothing was written. A row without one could be told to targets that "
            "were before it. Mend the file, say how its moments are written (time_unit, time_format), leave these "
            f"rows out with where, or give them a moment with coalesce, in conf/sources/{source.name}.toml."
        )


@contextmanager
def _fitting(file: FeatureFile, name: str, source: Source, path: str) -> Iterator[None]:
    """Inside, what Spark says of the file or of its expressions is told as a BadInput."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        reason = told_by_spark(error) or first_line(error)
        raise BadInput(
            f"source {source.name}: [{name}] {path} cannot be read as {file.format}: {reason.rstrip('.')}. "
            f"Put the file there, or mend [{name}] in conf/sources/{source.name}.toml."
        ) from error


def _path_beside(log_path: str, path: str) -> str:
    if path.startswith("/") or urlsplit(path).scheme:
        return path
    folder, slash, _ = folder_of_days(log_path).rstrip("/").rpartition("/")
    return f"{folder}{slash}{path}"
