"""Tuples that lie elsewhere are copied whole and checked, and go when nobody reads them (on S3: tests/end_to_end)."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mind.errors import BrokenPromise, MindError
from mind.storage import near_tuples
from mind.storage.near_tuples import copied, near
from mind.storage.places import opened, replace_file
from mind.tables.manifest import TupleFile
from tests.training.small_night import manifest_of, numbered


@pytest.fixture
def files(tmp_path: Path) -> list[TupleFile]:
    (tmp_path / "copies").mkdir()
    return numbered(tmp_path / "far", (7, 5))


def test_tuples_that_can_be_read_in_place_stay_where_they_are(tmp_path: Path, files: list[TupleFile]) -> None:
    manifest = manifest_of(files)
    with near(manifest, str(tmp_path / "scratch"), "train") as held:
        assert held is manifest
    assert not (tmp_path / "scratch").exists()


def test_copies_hold_the_rows_of_their_files_and_are_made_once(tmp_path: Path, files: list[TupleFile]) -> None:
    copies = copied(files, tmp_path / "copies" / "train")
    places = [Path(opened(file.url)[1]) for file in copies]
    assert [file.rows for file in copies] == [7, 5]
    assert [pq.read_table(place) for place in places] == [pq.read_table(opened(file.url)[1]) for file in files]
    made = [place.stat().st_ino for place in places]
    assert copied(files, tmp_path / "copies" / "train") == copies
    assert [place.stat().st_ino for place in places] == made
    assert sorted(path.name for path in places[0].parent.iterdir()) == [place.name for place in places]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("gone", "is not there, and the manifest names it; run build_tuples again"),
        ("cut", "cannot be read: .*run build_tuples again"),
        ("other rows", "has 5 rows, the manifest has 6; run build_tuples again"),
    ],
)
def test_a_file_that_is_not_the_manifests_is_no_copy(
    tmp_path: Path, files: list[TupleFile], change: str, message: str
) -> None:
    file = Path(opened(files[1].url)[1])
    if change == "gone":
        file.unlink()
    elif change == "cut":
        file.write_bytes(file.read_bytes()[:-20])
    else:
        files[1] = TupleFile(url=files[1].url, rows=6)
    with pytest.raises(BrokenPromise, match=message):
        copied(files, tmp_path / "copies" / "train")
    assert [path.name for path in (tmp_path / "copies" / "train").glob("*.parquet")] == ["part-00000.parquet"]


def test_only_copies_that_nobody_reads_are_swept(tmp_path: Path) -> None:
    for name in ("tuples-read", "tuples-left", "of somebody else"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "in-use").touch()
    with (tmp_path / "tuples-read" / "in-use").open("a+") as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        near_tuples._sweep(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["of somebody else", "tuples-read"]
    near_tuples._sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["of somebody else"]


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    for content in (b"old", b"new"):
        replace_file((tmp_path / "manifest.json").as_uri(), content)
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [content]


def test_a_scheme_that_nobody_knows_is_told_with_its_remedy() -> None:
    with pytest.raises(MindError, match=r"s3a://bucket/lake cannot be opened: .*docs/cluster.md"):
        opened("s3a://bucket/lake")
