"""Raw logs as they come: files in, one frame out, or an error that names the file."""

from __future__ import annotations

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.errors import BadInput, told_by_spark
from mind.source import Source
from mind.tables import names as n


def read_raw_log(spark: SparkSession, source: Source, path: str) -> DataFrame:
    """The raw rows, with the name of the file that held each in `source_file`.

    Raises:
        BadInput: the log is missing or cannot be opened.
    """
    try:
        frame = spark.read.format(source.format).options(**source.options).load(path)
        frame = frame.withColumn(n.SOURCE_FILE, F.col("_metadata.file_name"))
        # One small file is one task; parsing it on one core would be most of a short night.
        cores = spark.sparkContext.defaultParallelism
        return frame.repartition(cores) if frame.rdd.getNumPartitions() < cores else frame
    except (PySparkException, Py4JJavaError) as error:
        reason = told_by_spark(error) or str(error).splitlines()[0]
        raise BadInput(
            f"source {source.name}: {path} cannot be read as {source.format}: {reason}. "
            "Set ingest.path to the log, or mend the source description."
        ) from error
