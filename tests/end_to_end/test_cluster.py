"""Days run again on a cluster that loses a worker: the same tables as on one machine."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.end_to_end.standalone import ROOT, Cluster, documented_properties, standalone
from tests.end_to_end.world import BACKFILLED, SERVING, World, content, copy_world

MOMENT = "== embed_users"
"""When a worker is lost: items are embedded, and its executor holds blocks that the rest of the day needs."""


def served_with_a_loss(world: World, cluster: Cluster) -> str:
    """A day during which a worker with its executor is killed; what the day printed."""
    words = world.command("run", *SERVING, ds=BACKFILLED[1])
    printed: list[str] = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as day:
        assert day.stdout is not None
        for line in day.stdout:
            printed.append(line)
            if MOMENT in line:
                cluster.lose_a_worker()
    assert day.returncode == 0, "".join(printed[-40:]) + cluster.logs()
    return "".join(printed)


@pytest.mark.slow
def test_days_on_a_cluster_that_loses_a_worker_equal_days_on_one_machine(
    tmp_path: Path, undisturbed: tuple[World, str], by_hand: World, spark: SparkSession
) -> None:
    subprocess.run(["make", "--silent", "--old-file=.venv/.ready", "package"], cwd=ROOT, check=True)
    assert "mind/serving/searching.py" in zipfile.ZipFile(ROOT / "build" / "mind.zip").namelist()
    world = copy_world(undisturbed[0], tmp_path / "world")
    with standalone(tmp_path) as cluster:
        properties = tmp_path / "cluster.conf"
        properties.write_text(documented_properties(cluster))
        with world.config.open("a") as config:
            config.write(f'\n[spark]\nproperties_file = "{properties}"\n')
        world.served(BACKFILLED[0])
        assert cluster.alive() == 2
        assert MOMENT in served_with_a_loss(world, cluster)
        cluster.wait_for(1)
        world.served(BACKFILLED[2])
        executors = cluster.executors()
    assert len(executors) == 2 + 2 + 1
    assert content(spark, world) == content(spark, by_hand)
