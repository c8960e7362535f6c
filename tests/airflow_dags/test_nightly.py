"""The nightly DAG for real: spark-submit and torchrun, a failed run that is mended, the same tables at last."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from mind.operations.nights import publications
from tests.airflow_dags.test_wiring import AIRFLOW, variables
from tests.end_to_end.world import DS, World, content, make_world

pytestmark = pytest.mark.slow

NIGHT = """
[logs]
folder = "{folder}/logs"

[schedule]
retries = 0
deadline_alerts = false
alert = "tee {folder}/alert"
"""


def airflow(home: Path, world: World, *words: str) -> subprocess.CompletedProcess[str]:
    more = {
        "MIND_CONFIG": str(world.config),
        "AIRFLOW_CONN_SPARK_DEFAULT": '{"conn_type": "spark", "host": "local[2]"}',
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    }
    words = (str(AIRFLOW / "airflow"), *words)
    return subprocess.run(words, capture_output=True, text=True, check=False, env=variables(home, **more))


def test_a_night_under_airflow_equals_one_by_hand(
    tmp_path_factory: pytest.TempPathFactory, undisturbed: tuple[World, str], spark: SparkSession
) -> None:
    home, world = (tmp_path_factory.mktemp(name) for name in ("airflow", "world"))
    scheduled = make_world(world)
    scheduled.config.write_text(scheduled.config.read_text() + NIGHT.format(folder=world))
    assert airflow(home, scheduled, "db", "migrate").returncode == 0

    # The log is not there: the night fails in its first step, people hear of it and readers see nothing.
    (world / "log").rename(world / "late")
    test = ("dags", "test", "mind_nightly", DS.isoformat(), "--conf", '{"train": "yes"}')
    failed = airflow(home, scheduled, *test)
    assert "cannot be read as parquet" in failed.stdout + failed.stderr
    assert "mind_nightly.ingest failed" in (world / "alert").read_text()
    assert not (world / "lake" / "candidates").exists()

    (world / "late").rename(world / "log")
    done = airflow(home, scheduled, *test)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert content(spark, scheduled) == content(spark, undisturbed[0])
    assert [one.ds for one in publications(str(world / "lake")) if one.seen] == [DS]
    assert (world / "report" / DS.isoformat() / "index.html").exists()
    vacuumed = [
        file for file in (world / "lake" / "candidates" / "_delta_log").glob("*.json") if "VACUUM" in file.read_text()
    ]
    assert vacuumed, "maintain did not run"
