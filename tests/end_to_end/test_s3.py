"""A lake in a store of objects: a real S3 server, a whole night on it, and the same tables as on a disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.fs as fs
import pytest
from pyspark.sql import SparkSession

from mind.errors import MindError
from mind.operations.nights import publications
from mind.storage.jar_pins import S3
from mind.storage.jars import S3_FOLDER, ensure
from tests.end_to_end.object_store import LAKE, PROGRAM, Store, object_store, remote_world
from tests.end_to_end.world import DS, World, content

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no S3 server here: make .venv-s3/.ready"),
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with object_store(tmp_path) as running:
        for name, value in running.variables.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture(scope="module")
def jars() -> None:
    try:
        ensure(S3_FOLDER, wanted=S3)
    except MindError as error:
        pytest.skip(f"the JARs of S3 cannot be had: {error}")


@pytest.mark.usefixtures("jars")
def test_a_night_on_s3_equals_a_night_on_a_disk(
    tmp_path: Path,
    store: Store,
    undisturbed: tuple[World, str],
    spark: SparkSession,
) -> None:
    world = remote_world(tmp_path / "world", store)
    printed = world.night()
    assert "rows in 2 files to" in printed
    assert [path.name for path in (world.folder / "scratch").iterdir()] == ["copying"]
    fs.copy_files(LAKE, (world.folder / "lake").as_uri())
    assert content(spark, world) == content(spark, undisturbed[0])
    (held,) = publications(LAKE)
    assert held.seen
    assert held.ds == DS
