"""What the doctor finds, and one row through all packages."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from mind.config import load
from mind.errors import MindError
from mind.operations.doctor import PACKAGES, examine
from mind.serving.round_trip import round_trip


def test_a_place_that_cannot_be_written_is_named_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    well = [f"{key}={tmp_path}/{key}" for key in ("report.folder", "logs.folder", "tracking.artifacts")]
    text, fine = examine(load(overrides=[*well, f"lake.root={tmp_path}/file/lake"]))
    bad = [line for line in text.splitlines() if line.startswith("BAD")]
    assert not fine
    assert len(bad) == 1, text
    assert "lake.root" in bad[0]
    assert "mend it or change lake.root" in bad[0]
    assert all(any(line.startswith(f"ok   {name} ") for line in text.splitlines()) for name in PACKAGES)
    assert not list(tmp_path.rglob(".doctor-*")), "it leaves something behind"


@pytest.mark.slow
def test_one_row_goes_through_all_packages_and_a_failure_names_its_own(spark: SparkSession, tmp_path: Path) -> None:
    assert len(round_trip(spark, tmp_path / "well")) == 6
    (tmp_path / "ill").mkdir()
    (tmp_path / "ill" / "mlflow.db").write_text("no database")
    with pytest.raises(MindError, match=r"^mlflow failed: "):
        round_trip(spark, tmp_path / "ill")
