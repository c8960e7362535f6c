"""Files of any format that a source description names, held against the columns that it expects."""

from __future__ import annotations

import logging

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructType

from mind.errors import BadInput
from mind.source import FeatureFile, Source
from mind.storage.python_literals import as_json

log = logging.getLogger("mind")

CORRUPT = "_corrupt_record"
"""Spark's column for the text of a row that does not fit the columns; parsing refuses such rows."""
LOOKED_AT = 1000
"""Lines of JSON in which new keys are looked for: reading all would double the cost of a night."""


def open_files(spark: SparkSession, part: Source | FeatureFile, paths: list[str], what: str) -> DataFrame:
    """The rows of the files at `paths`. With `fields` given, a column that they do not name is noted in the log.

    `fields` gives the columns of headless CSV, JSON and Python literals, and is checked against what Parquet, Delta
    and CSV with a header say of themselves.

    Raises:
        BadInput: a column of `fields` is missing or has another type.
        PySparkException: the files are missing or cannot be opened.
    """
    wanted = _struct(part.fields) if part.fields else None
    headed = part.format == "csv" and part.options.get("header", "").lower() == "true"
    if part.format == "python_literals":
        assert wanted is not None, "the source description sees to it"
        return _literals(spark, wanted, part.options, paths)
    # Without it, a second file with its columns in another order is read under the first file's header.
    options = ({"enforceSchema": "false"} if headed else {}) | part.options
    reader = spark.read.format(part.format).options(**options)
    # Delta takes a path and no list of them.
    path = paths[0] if len(paths) == 1 else paths
    if wanted is None:
        return reader.load(path)
    if part.format in ("parquet", "delta") or headed:
        frame = reader.load(path)
        _check(frame.schema, wanted, what, paths[0], only_names=headed)
        return frame
    if part.format == "json" and options.get("multiLine", "").lower() != "true":
        lines = spark.read.text(paths).limit(LOOKED_AT)
        keys = lines.select(F.explode(F.json_object_keys("value")).alias("key")).distinct().collect()
        _note_new({row["key"] for row in keys} - set(wanted.names), what)
    return reader.option("columnNameOfCorruptRecord", CORRUPT).schema(_with_corrupt(wanted)).load(path)


def _literals(spark: SparkSession, wanted: StructType, options: dict[str, str], paths: list[str]) -> DataFrame:
    lines = spark.read.options(**options).text(paths)
    choices = {"columnNameOfCorruptRecord": CORRUPT, "allowBackslashEscapingAnyCharacter": "true"}
    row = F.from_json(as_json(F.col("value")), _with_corrupt(wanted), choices)
    return lines.select(row.alias("row"), "_metadata").select("row.*", "_metadata")


def _struct(ddl: str) -> StructType:
    parsed = StructType.fromDDL(ddl)
    assert isinstance(parsed, StructType), "DDL of columns is a struct"
    return parsed


def _with_corrupt(wanted: StructType) -> StructType:
    return StructType([*wanted.fields]).add(CORRUPT, StringType())


def _check(found: StructType, wanted: StructType, what: str, path: str, *, only_names: bool) -> None:
    types = {field.name: field.dataType.simpleString() for field in found}
    faults = [f"{field.name} is missing" for field in wanted if field.name not in types]
    faults += [
        f"{field.name} is {types[field.name]}, fields says {field.dataType.simpleString()}"
        for field in wanted
        if field.name in types and not only_names and types[field.name] != field.dataType.simpleString()
    ]
    if faults:
        raise BadInput(
            f"{what}, {path}, has other columns than its description: {'; '.join(faults)}. Mend the log, or change "
            "fields (and the expressions that use these columns) in conf/sources."
        )
    _note_new(set(types) - set(wanted.names), what)


def _note_new(names: set[str], what: str) -> None:
    if names:
        log.warning("%s has columns that fields does not name: %s", what, ", ".join(sorted(names)))
