"""One Spark for the whole test run, started as spark-submit would start it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from mind.preflight import find_java

ROOT = Path(__file__).resolve().parent.parent
SUBMIT = "--properties-file conf/spark/local.conf --driver-memory 2g pyspark-shell"


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The session that every job gets, on two cores; the JARs and the log's settings lie below the root."""
    from mind.storage.session import session

    os.chdir(ROOT)
    os.environ |= {
        "JAVA_HOME": str(find_java()),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": SUBMIT,
    }
    made = session()
    yield made
    made.stop()
