"""Runs of processes that come at once, and of one that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mind.config import TrackingSection
from mind.tracking.processes import HOST, PROCESS, has_ended, of_this_process
from mind.tracking.registry import TRAINING_KEY, Registry

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import sys, time
from mind.config import TrackingSection
from mind.tracking.registry import TRAINING_KEY, Registry
uri, artifacts, key, then = sys.argv[1:]
section = TrackingSection(uri=uri, artifacts=artifacts, experiment="many", model_name="many")
registry = Registry(section)
with registry.run(key, {"key": key}, {TRAINING_KEY: key}) as run_id:
    if then == "wait":
        print(run_id, flush=True)
        time.sleep(600)
    registry.log(run_id, {"loss": 1.0}, 1)
print(registry.register(run_id, {TRAINING_KEY: key}).number)
"""


def start(section: TrackingSection, key: str, then: str = "register") -> subprocess.Popen[str]:
    words = [sys.executable, "-c", PROGRAM, section.uri, section.artifacts, key, then]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_processes(section: TrackingSection) -> None:
    """Two processes make a new store and register in it at once; a third is killed, which the next run tells."""
    together = [start(section, key) for key in ("one", "two")]
    told = [process.communicate(timeout=300) for process in together]
    assert [process.returncode for process in together] == [0, 0], told
    assert sorted(out.split()[-1] for out, _ in told) == ["1", "2"]

    registry = Registry(section)
    assert {registry.by_key(key).number for key in ("one", "two")} == {"1", "2"}  # type: ignore[union-attr]
    killed = start(section, "three", then="wait")
    assert killed.stdout is not None
    run_id = killed.stdout.readline().strip()
    with registry.run("four", {}, {TRAINING_KEY: "four"}):
        assert status(registry, run_id) == "RUNNING", "a run beside us that lives is left alone"
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    with registry.run("five", {}, {TRAINING_KEY: "five"}) as own:
        assert status(registry, run_id) == "KILLED"
        assert status(registry, own) == "RUNNING"


def status(registry: Registry, run_id: str) -> str:
    return str(registry._client.get_run(run_id).info.status)


@pytest.mark.slow
def test_processes_that_come_at_once_do_not_clash_and_a_killed_one_is_marked(tmp_path: Path) -> None:
    uri, artifacts = f"sqlite:///{tmp_path}/store/mlflow.db", str(tmp_path / "artifacts")
    check_processes(TrackingSection(uri=uri, artifacts=artifacts, experiment="many", model_name="many"))


def test_a_process_has_ended_where_its_number_is_free_or_another_one_has_it() -> None:
    mine = of_this_process()
    assert not has_ended(mine)
    assert has_ended(mine | {PROCESS: f"{os.getpid()} another start"})
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert has_ended(mine | {PROCESS: f"{gone.pid} 1"})


@pytest.mark.parametrize("tags", [{}, {HOST: "elsewhere", PROCESS: "1 x"}, {HOST: of_this_process()[HOST]}])
def test_of_a_run_elsewhere_nothing_is_known(tags: dict[str, str]) -> None:
    assert not has_ended(tags)
