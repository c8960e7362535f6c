"""One Spark session a process, with what every step relies on set and checked."""

from __future__ import annotations

import logging

from pyspark.sql import SparkSession

from mind.errors import MindError

DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
PROMISED = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Histories are collected per user from rows that are sorted as histories are; a hash map in between promises no
    # order (tests/tuples/test_plan.py looks at the plan).
    "spark.sql.execution.useObjectHashAggregateExec": "false",
}
"""Answers must not depend on the host's time zone, on silent casts, on files that went missing or on a hash map."""


def session() -> SparkSession:
    """The session of this process, made on the first call; master, memory and JARs come from spark-submit.

    A job asks once, at its start; what the job before it in the same application had cached is let go.

    Raises:
        MindError: Delta's JARs are not on the class path.
    """
    # PySpark logs each analysis error as a page of JSON although it raises it as well.
    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    builder = SparkSession.builder.appName("mind")
    for key, value in (DELTA | PROMISED).items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    try:
        loader = spark.sparkContext._jvm.java.lang.Thread.currentThread().getContextClassLoader()  # type: ignore[union-attr]
        loader.loadClass("io.delta.tables.DeltaTable")
    except Exception as error:
        raise MindError(
            "Delta's JARs are not on Spark's class path. Run `make jars` once and start the job with "
            "`spark-submit --properties-file conf/spark/local.conf jobs/...`, or as `python -m mind.launch show` does."
        ) from error
    spark.catalog.clearCache()
    return spark
