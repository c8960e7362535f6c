"""Only the pinned JARs are taken, whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mind.errors import MindError
from mind.storage import jars
from mind.storage.jar_pins import DELTA, S3, Jar
from mind.storage.jars import ensure, fault, take

CONTENT = b"PK a small archive"
JAR = Jar("io.delta:delta-spark_4.0_2.13:4.4.0", hashlib.sha256(CONTENT).hexdigest())


def test_the_file_is_named_as_spark_submits_it() -> None:
    assert JAR.file == "delta-spark_4.0_2.13-4.4.0.jar"
    wanted = Path("conf/spark/local.conf").read_text()
    assert all(f".jars/{jar.file}" in wanted for jar in DELTA.jars)


def test_a_right_file_has_no_fault_and_is_copied_alone(tmp_path: Path) -> None:
    source = tmp_path / "any.jar"
    source.write_bytes(CONTENT)
    assert fault(JAR, source) is None
    take(JAR, source, tmp_path / "new" / "folder")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == [JAR.file]
    assert (tmp_path / "new" / "folder" / JAR.file).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "is missing"), (b"", "has SHA-256 e3b0c442"), (CONTENT + b" ", "pinned is " + JAR.sha256)],
    ids=["missing", "empty", "another"],
)
def test_a_wrong_file_is_refused_and_what_was_there_stays(tmp_path: Path, content: bytes | None, why: str) -> None:
    source, folder = tmp_path / "any.jar", tmp_path / "folder"
    folder.mkdir()
    (folder / JAR.file).write_bytes(CONTENT)
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(MindError, match=f"{JAR.artefact} cannot be used: .*{why}"):
        take(JAR, source, folder)
    assert [path.name for path in folder.iterdir()] == [JAR.file]
    assert (folder / JAR.file).read_bytes() == CONTENT


def test_a_directory_without_the_jars_is_refused_without_a_network(tmp_path: Path) -> None:
    (tmp_path / DELTA.jars[0].file).write_bytes(b"another archive")
    with pytest.raises(MindError, match=r"delta-spark.*pinned is 49e899"):
        ensure(tmp_path / "folder", local=tmp_path)
    assert not (tmp_path / "folder").exists()


def test_jars_that_are_there_are_not_resolved_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "resolve", lambda scratch, wanted: pytest.fail("asked the network"))
    ensure(Path(".jars"))


def test_the_jars_of_s3_are_refused_like_deltas_and_delta_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / S3.jars[0].file).write_bytes(b"another archive")
    with pytest.raises(MindError, match=r"hadoop-aws:3.4.1 cannot be used: .*pinned is [0-9a-f]{64}"):
        ensure(tmp_path / "folder", tmp_path, S3)
    assert not {jar.file for jar in S3.jars} & {jar.file for jar in DELTA.jars}
    assert all(len(jar.sha256) == 64 for jar in S3.jars)
