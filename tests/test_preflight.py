"""A machine that cannot run the pipeline is told so in one sentence, before anything is installed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from mind.preflight import Unfit, check_disk, check_python, find_java, java_major

ROOT = Path(__file__).resolve().parent.parent
PREFLIGHT = ROOT / "mind/preflight.py"


def java(home: Path, version: str | None) -> Path:
    """A folder with a `java` that prints this version as real ones do, or one that does not start."""
    binary = home / "bin" / "java"
    binary.parent.mkdir(parents=True)
    says = (
        f"echo 'openjdk version \"{version}\" 2025-01-01' >&2"
        if version
        else "echo 'cannot load libjvm.so' >&2; exit 1"
    )
    binary.write_text(f"#!/bin/sh\n{says}\n")
    binary.chmod(0o755)
    return home


def looking(tmp_path: Path, **more: str) -> dict[str, str]:
    (tmp_path / "jvm").mkdir(exist_ok=True)
    return {"PATH": str(tmp_path / "nothing"), "MIND_JAVA_FOLDERS": str(tmp_path / "jvm")} | more


def test_seventeen_is_taken_before_twenty_one_and_never_twenty_five(tmp_path: Path) -> None:
    java(tmp_path / "jvm/a-temurin-25", "25.0.1")
    java(tmp_path / "jvm/b-21", "21.0.2")
    wanted = java(tmp_path / "jvm/c-17", "17.0.9")
    java(tmp_path / "jvm/d-8", "1.8.0_392")
    assert find_java(looking(tmp_path)) == wanted


def test_twenty_one_serves_where_there_is_no_seventeen(tmp_path: Path) -> None:
    java(tmp_path / "jvm/a-25", "25.0.1")
    wanted = java(tmp_path / "jvm/b-21", "21.0.2")
    assert find_java(looking(tmp_path)) == wanted


def test_java_home_is_honoured_only_if_spark_supports_it(tmp_path: Path) -> None:
    found = java(tmp_path / "jvm/a-17", "17.0.9")
    mine = java(tmp_path / "mine-17", "17.0.1")
    newer = java(tmp_path / "mine-25", "25.0.1")
    assert find_java(looking(tmp_path, JAVA_HOME=str(mine))) == mine
    assert find_java(looking(tmp_path, JAVA_HOME=str(newer))) == found
    assert find_java(looking(tmp_path, JAVA_HOME=str(tmp_path / "gone"))) == found


def test_the_java_on_the_path_counts_by_where_its_link_leads(tmp_path: Path) -> None:
    real = java(tmp_path / "opt/jdk-17", "17.0.9")
    (tmp_path / "links").mkdir()
    (tmp_path / "links/java").symlink_to(real / "bin/java")
    assert find_java(looking(tmp_path, PATH=str(tmp_path / "links"))) == real


def test_a_mac_bundle_is_found(tmp_path: Path) -> None:
    home = java(tmp_path / "jvm/zulu-17.jdk/Contents/Home", "17.0.9")
    assert find_java(looking(tmp_path)) == home


def test_unsupported_and_broken_javas_are_named_with_the_remedy(tmp_path: Path) -> None:
    newer, broken = java(tmp_path / "jvm/a-25", "25.0.1"), java(tmp_path / "jvm/b", None)
    with pytest.raises(Unfit) as told:
        find_java(looking(tmp_path))
    message = str(told.value)
    assert f"25 in {newer}" in message
    assert f"broken in {broken}" in message
    assert "apt-get install openjdk-17" in message
    assert "JAVA_HOME" in message


def test_no_java_at_all_gives_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match=r"found: none\. Install one .*openjdk-17"):
        find_java(looking(tmp_path))


@pytest.mark.parametrize(
    ("version", "major"), [("17.0.9", 17), ("1.8.0_392", 8), ("21", 21), ("25-ea", 25), (None, None)]
)
def test_the_major_version_is_read_from_what_java_says(tmp_path: Path, version: str | None, major: int | None) -> None:
    assert java_major(java(tmp_path / "home", version) / "bin/java") == major


@pytest.mark.parametrize("version", [(3, 9), (3, 10), (3, 12), (2, 7)])
def test_another_python_is_refused_by_name_with_the_remedy(version: tuple[int, int]) -> None:
    with pytest.raises(Unfit, match=rf"3\.11 is needed.*{version[0]}\.{version[1]}.*make PYTHON="):
        check_python(version)
    check_python((3, 11))


def test_a_full_disk_is_refused_with_what_it_has_and_needs(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match=rf"needs 1e\+09 GB of free disk, {tmp_path} has [0-9.]+ GB"):
        check_disk(tmp_path, needed_gb=1e9)
    check_disk(tmp_path, needed_gb=0)


def started(tmp_path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """The file as `make` starts it: by the system's interpreter, without any installed package."""
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/.ready").touch()  # the disk of this machine is not what is tested
    system = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    words = [str(system), "-I", "-S", str(PREFLIGHT)]
    return subprocess.run(
        words, env=looking(tmp_path, **more), cwd=tmp_path, capture_output=True, text=True, check=False
    )


def test_it_is_silent_on_a_fit_machine(tmp_path: Path) -> None:
    java(tmp_path / "jvm/17", "17.0.9")
    done = started(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_says_one_sentence_and_exits_1_on_an_unfit_one(tmp_path: Path) -> None:
    java(tmp_path / "jvm/25", "25.0.1")
    done = started(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("mind: Spark needs Java 17 or 21; found: 25 in ")
    assert len(done.stderr.splitlines()) == 1


def test_its_grammar_is_that_of_an_older_python() -> None:
    ast.parse(PREFLIGHT.read_text(encoding="utf-8"), feature_version=(3, 8))
