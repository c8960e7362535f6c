"""The store of a team: a real PostgreSQL, started for the test, heard on a Unix socket alone."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from mind.config import TrackingSection
from mind.tracking.promotion import judge, promote
from mind.tracking.registry import CHAMPION, TRAINING_KEY, Registry
from mind.tracking.store import open_store
from tests.tracking.test_processes import check_processes
from tests.tracking.test_promotion import BETTER, SECTION, compared

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
FOUND = shutil.which("initdb")
PROGRAMS = Path(FOUND).resolve().parent if FOUND else DEBIAN[-1] if DEBIAN else None
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL server here (Debian's package: postgresql)"),
]


def run(folder: Path, program: str, *words: str) -> None:
    """A program of PostgreSQL, which refuses to be started by root."""
    assert PROGRAMS is not None
    user = "postgres" if os.geteuid() == 0 else None
    done = subprocess.run(
        [str(PROGRAMS / program), *words], user=user, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def address() -> Iterator[str]:
    # A socket's path may have 107 letters: pytest's folders are too deep.
    folder = Path(tempfile.mkdtemp(prefix="mind-"))
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    try:
        run(folder, "initdb", "-D", "data", "-U", "mind", "--auth=trust", "--no-sync")
        listens = f"-k {folder} -c listen_addresses= -c fsync=off"
        run(folder, "pg_ctl", "-D", "data", "-l", "log", "-o", listens, "-w", "start")
        try:
            # The database that initdb makes.
            yield f"postgresql://mind@/postgres?host={folder}"
        finally:
            run(folder, "pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


def test_processes_at_once_a_killed_run_and_a_promotion(address: str, tmp_path: Path) -> None:
    section = TrackingSection(uri=address, artifacts=str(tmp_path / "a"), experiment="many", model_name="many")
    open_store(address)  # the first to come makes the tables; MLflow's migrations are not for two at once
    check_processes(section)
    registry = Registry(section)
    for number in ("1", "2", "1"):
        held = registry.by_alias(CHAMPION)
        found = compared(held.number if held else None, {number: BETTER})
        promote(registry, date(2011, 12, 8), found, judge(found, SECTION))
        assert registry.need(CHAMPION).number == number
    assert registry.by_key("one") is not None
    with registry.run("six", {}, {TRAINING_KEY: "six"}) as run_id:
        registry.log(run_id, {"loss": 2.0}, 3)
    assert registry.metrics(run_id, 3) == {"loss": 2.0}
