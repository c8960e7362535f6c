"""A lake in a store of objects: a real S3 server, a whole night on it, and the same tables as on a disk."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.fs as fs
import pytest
from pyspark.sql import SparkSession

from mind.errors import MindError
from mind.operations.nights import publications
from mind.storage import tuple_writer
from mind.storage.jar_pins import S3
from mind.storage.jars import S3_FOLDER, ensure
from mind.storage.near_tuples import near
from mind.storage.places import opened, replace_file
from mind.storage.tuple_files import night_folder, read_manifest
from mind.storage.tuple_writer import replace_manifest
from mind.tables import names as n
from mind.tables.manifest import Manifest
from mind.training.loader import read_split
from tests.end_to_end.object_store import LAKE, PROGRAM, Store, object_store, remote_world
from tests.end_to_end.world import DS, World, content
from tests.training.small_night import DS as NIGHT
from tests.training.small_night import write_night

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM.exists(), reason="no S3 server here; `make .venv-s3/.ready` installs one"),
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


class Reader:
    """A process that reads a night's training rows near by, and goes on when it is let go."""

    def __init__(self, scratch: Path) -> None:
        words = [sys.executable, str(Path(__file__).with_name("near_reader.py")), LAKE, NIGHT.isoformat(), str(scratch)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def told(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def let_go(self) -> None:
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def night(tmp_path: Path, store: Store) -> str:
    """A small night's tuples in the store; what a reader of its training rows tells."""
    manifest = write_night(tmp_path / "night")
    here = (tmp_path / "night" / "lake").as_uri()
    fs.copy_files(here, LAKE)
    there = Manifest.model_validate_json(manifest.model_dump_json().replace(here, LAKE))
    replace_manifest(f"{night_folder(LAKE, NIGHT)}/manifest.json", there)
    targets = read_split(manifest, "train", [n.TARGET])[n.TARGET]
    return f"{len(targets)} rows, {targets.sum()}"


def test_ranks_of_a_node_copy_once_and_what_a_killed_one_left_is_used_and_swept(
    tmp_path: Path, store: Store, night: str
) -> None:
    scratch, name = tmp_path / "scratch", "train-0.parquet"
    ranks = [Reader(scratch) for _ in range(3)]
    assert [rank.told() for rank in ranks] == [night] * 3
    assert store.requests("GET", name) == 1
    ranks[0].kill()
    for rank in ranks[1:]:
        assert len(list(scratch.glob("*/train/*.parquet"))) == 2
        rank.let_go()
    assert [path.name for path in scratch.iterdir()] == ["copying"]
    alone = Reader(scratch)
    assert alone.told() == night
    alone.kill()
    again = Reader(scratch)
    assert again.told() == night
    assert store.requests("GET", name) == 2
    again.let_go()
    assert [path.name for path in scratch.iterdir()] == ["copying"]


@pytest.mark.usefixtures("store")
def test_a_folder_of_objects_is_swept_by_the_time_in_its_name() -> None:
    folder = night_folder(LAKE, NIGHT)
    for attempt in ("attempt-1-1", f"attempt-{time.time_ns()}-2", "attempt-3-3"):
        replace_file(f"{folder}/{attempt}/part.parquet", b"x")
    tuple_writer._sweep(folder, f"{folder}/attempt-3-3")
    system, path = opened(folder)
    left = [info.base_name.split("-")[2] for info in system.get_file_info(fs.FileSelector(path))]
    assert sorted(left) == ["2", "3"]


def test_a_store_that_gives_no_answer_is_told_with_its_remedy(tmp_path: Path, store: Store, night: str) -> None:
    manifest = read_manifest(LAKE, NIGHT)
    store.process.kill()
    store.process.wait()
    told = r"s3://mind/lake/\S+ cannot be opened: .*AWS_ENDPOINT_URL"
    with pytest.raises(MindError, match=told):
        read_manifest(LAKE, NIGHT)
    with pytest.raises(MindError, match=told):
        publications(LAKE)
    with pytest.raises(MindError, match=told), near(manifest, str(tmp_path / "scratch"), "train"):
        pytest.fail("nothing could be copied")
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == ["copying"]
