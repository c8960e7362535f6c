"""What lies where a table should be and is none: told to people, or removed where a killed writer left it."""

from __future__ import annotations

import logging

from pyspark.sql import SparkSession

from mind.errors import MindError
from mind.tables import Contract

log = logging.getLogger("mind")


def strange_folder(contract: Contract, place: str) -> MindError:
    """The error for a folder that holds something else than a Delta table."""
    return MindError(
        f"table {contract.name}: {place} holds files but no Delta table; move them away, or set "
        "lake.root to another place"
    )


def clear_leftover(spark: SparkSession, contract: Contract, place: str) -> None:
    """Remove the log folder of a writer that was killed before its first commit; Delta never would."""
    assert spark.sparkContext._jvm is not None
    path = spark.sparkContext._jvm.org.apache.hadoop.fs.Path(place)
    files = path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
    commits = path.suffix("/_delta_log")
    names = [status.getPath().getName() for status in files.listStatus(path)]
    if names == ["_delta_log"] and not any(
        status.getPath().getName()[0].isdigit() for status in files.listStatus(commits)
    ):
        log.warning("%s: removing the empty log that a killed writer left", contract.name)
        files.delete(commits, True)
