"""The DAGs are wiring: what they reach of ours and of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_architecture import imports_of, others

ROOT = Path(__file__).resolve().parent.parent.parent
DAGS = sorted((ROOT / "airflow_dags").glob("*.py"))
OURS = {"mind.launch", "mind.config", "mind.operating", "mind.redaction", "mind.steps"}


@pytest.mark.parametrize("file", DAGS, ids=lambda file: file.stem)
def test_a_dag_imports_airflow_the_launcher_and_the_configuration_alone(file: Path) -> None:
    assert others(file) <= {"airflow", "airflow_dags"}
    assert {name for name in imports_of(file) if name.split(".")[0] == "mind"} <= OURS
