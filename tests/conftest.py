"""One Spark for the whole test run, started as spark-submit would start it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from mind.preflight import find_java
from tests.end_to_end.world import BACKFILLED, World, copy_world, make_world

ROOT = Path(__file__).resolve().parent.parent
# Many short queries: a compiler that optimises less is sooner done with them. (A night takes the full one.)
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dlog4j2.configurationFile=conf/spark/log4j2.properties"
SUBMIT = f"--properties-file conf/spark/local.conf --driver-memory 2g --driver-java-options '{JAVA}' pyspark-shell"


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


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, str]:
    """A small night by the real command lines, once for all tests that look at one or compare with one; its output."""
    world = make_world(tmp_path_factory.mktemp("night"))
    return world, world.night()


@pytest.fixture(scope="session")
def by_hand(undisturbed: tuple[World, str], tmp_path_factory: pytest.TempPathFactory) -> World:
    """The small night, then the days before it, each by the launcher's command line, one after the other."""
    world = copy_world(undisturbed[0], tmp_path_factory.mktemp("serial") / "world")
    for ds in BACKFILLED:
        world.served(ds)
    return world
