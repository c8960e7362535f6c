"""kill -9 in the middle, start again: the same tables as a night that nobody disturbed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from mind.config import load
from mind.tracking.registry import CHAMPION, Registry
from tests.end_to_end.world import World, content, make_world

MOMENTS = {
    "quarantine: ": ("ingest",),  # refused rows are committed, behaviours are not
    "items: ": ("ingest", "build_vocabulary"),  # items are committed, users are not
    "epoch 1/6": ("build_vocabulary", "build_tuples", "train"),
    "exact index over": ("train", "evaluate", "compare", "embed_items", "embed_users", "retrieve"),
    "candidates: ": ("retrieve", "publish"),  # committed, but not yet in publications
}
"""When to kill: as soon as this is printed. The steps are those from the one that was killed before on."""


def _kill_when(world: World, steps: tuple[str, ...], text: str) -> None:
    """Start the steps and kill -9 all its processes as soon as a line holds the text."""
    night = subprocess.Popen(
        world.command("run", *steps),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert night.stdout is not None
    printed = []
    for line in night.stdout:
        printed.append(line)
        if text in line:
            os.killpg(night.pid, signal.SIGKILL)
            break
    else:
        pytest.fail(f"{text!r} was never printed:\n{''.join(printed[-40:])}")
    night.stdout.close()
    night.wait()
    until = time.monotonic() + 30
    while found := _left(world):
        assert time.monotonic() < until, f"outlived the night that was killed: {found}"
        time.sleep(0.2)


def _left(world: World) -> list[str]:
    """Command lines of processes that still work on this world (where /proc tells)."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if str(world.config) in line]


@pytest.mark.slow
def test_a_night_killed_at_every_phase_equals_an_undisturbed_one(
    tmp_path: Path, undisturbed: tuple[World, str], spark: SparkSession
) -> None:
    calm, disturbed = undisturbed[0], make_world(tmp_path / "disturbed")
    for moment, steps in MOMENTS.items():
        _kill_when(disturbed, steps, moment)
    disturbed.night()
    assert content(spark, disturbed) == content(spark, calm)
    champion = Registry(load([disturbed.config]).tracking).by_alias(CHAMPION)
    assert champion is not None
    assert champion.number == "1"
