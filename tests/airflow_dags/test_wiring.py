"""The DAGs as real Airflow reads them: order, policy, and command lines that the jobs' own parsers accept."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mind.steps import JOBS, OPERATIONS, chain_parser, night_steps, parser

ROOT = Path(__file__).resolve().parent.parent.parent
AIRFLOW = ROOT / ".venv-airflow" / "bin"
pytestmark = pytest.mark.slow


def variables(home: Path, **more: str) -> dict[str, str]:
    """What makes an Airflow of its own in a folder."""
    return os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "airflow_dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
        **more,
    }


def parsed(home: Path, **more: str) -> dict[str, Any]:
    words = [str(AIRFLOW / "python"), str(ROOT / "tests/airflow_dags/described.py"), str(ROOT / "airflow_dags")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=variables(home, **more))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert told["errors"] == {}
    return told


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return parsed(tmp_path_factory.mktemp("airflow"))


def test_parsing_needs_no_spark_torch_or_mlflow(told: dict[str, Any]) -> None:
    assert told["heavy"] == []
    assert sorted(told["dags"]) == ["mind_backfill", "mind_nightly", "mind_train"]


def test_the_order_of_a_night(told: dict[str, Any]) -> None:
    tasks = told["dags"]["mind_nightly"]["tasks"]
    assert {name: task["after"] for name, task in tasks.items()} == {
        "wait_for_log": [],
        "ingest": ["wait_for_log"],
        "choose_training": ["ingest"],
        "keep_champion": ["choose_training"],
        "build_tuples": ["choose_training"],
        "train": ["build_tuples"],
        "judge": ["train"],
        "serve": ["judge", "keep_champion"],
        "report": ["serve"],
        "maintain": ["serve"],
    }


def test_every_task_has_retries_a_timeout_and_an_alert(told: dict[str, Any]) -> None:
    for name, dag in told["dags"].items():
        assert "###" in dag["doc"], "triage notes are missing"
        for task_id, task in dag["tasks"].items():
            assert task["retries"] == 2, (name, task_id)
            assert task["timeout"], (name, task_id)
            assert task["alerts"], (name, task_id)
            heavy = task["kind"] in ("ProjectSubmit", "ProjectCommand")
            assert (task["pool"] == "mind_heavy") == heavy, (name, task_id)
    assert told["dags"]["mind_nightly"]["late"], "nobody hears of a late night"
    assert told["dags"]["mind_nightly"]["parallel"] == 2


def test_every_rendered_command_is_read_by_the_jobs_own_parser(told: dict[str, Any]) -> None:
    """For a manual run without a date: it is for the day of its start."""
    seen = set()
    for dag in told["dags"].values():
        for task in dag["tasks"].values():
            if not task["command"] or "mind.cli" in task["command"][0]:
                continue
            words = task["command"] if len(task["command"]) > 1 else shlex.split(task["command"][0])
            script = next(place for place, word in enumerate(words) if word.startswith("jobs/"))
            name = Path(words[script]).stem
            assert (ROOT / words[script]).exists()
            flags = chain_parser() if name == "chain" else parser(words[script], JOBS[name])
            found = flags.parse_args(words[script + 1 :])
            assert found.ds == date(2011, 12, 8)
            assert found.config == [Path("conf/demo.toml")]
            seen |= set(found.steps) if name == "chain" else {name}
    beside = {name for name, step in OPERATIONS.items() if step.of_a_day and not step.asks}
    assert seen == {*night_steps("champion"), *beside}, "a step of the night is in no DAG"


def steps_of(task: dict[str, Any]) -> list[str]:
    return chain_parser().parse_args(task["command"][1:]).steps


def test_a_night_without_a_model_never_trains_and_embeds_nothing(told: dict[str, Any], tmp_path: Path) -> None:
    serve = told["dags"]["mind_nightly"]["tasks"]["serve"]
    assert steps_of(serve) == ["embed_items", "embed_users", "retrieve", "publish"]
    assert told["branches"] == {"yes": "build_tuples", "no": "keep_champion"}
    (tmp_path / "c.toml").write_text('[retrieval]\nmethod = "item_cf"\n')
    without = parsed(tmp_path, MIND_CONFIG=str(tmp_path / "c.toml"))
    assert steps_of(without["dags"]["mind_nightly"]["tasks"]["serve"]) == ["retrieve_item_cf", "publish"]
    assert without["branches"] == {"yes": "keep_champion", "no": "keep_champion"}


def test_a_plain_task_names_its_program_by_its_path(told: dict[str, Any]) -> None:
    """bash reads ~/.bashrc when its input is Airflow's socket, and that may put another Python in front."""
    plain = [task for task in told["dags"]["mind_nightly"]["tasks"].values() if task["kind"] == "ProjectCommand"]
    programs = [Path(shlex.split(task["command"][0])[1]) for task in plain]
    assert sorted(program.name for program in programs) == ["python", "torchrun"]
    assert all(program.is_absolute() for program in programs)


def test_what_fails_the_same_way_again_is_not_tried_again(told: dict[str, Any]) -> None:
    assert told["endings"] == {
        "0": "success",
        "2": "AirflowException",
        "3": "AirflowFailException",
        "4": "AirflowFailException",
        "137": "AirflowException",
    }


def test_a_training_can_be_started_by_something_else(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text(
        "from airflow.providers.standard.operators.bash import BashOperator\n\n\n"
        "class Pod(BashOperator):\n    pass\n\n\n"
        "def pod(task_id, words, **kwargs):\n"
        "    return Pod(task_id=task_id, bash_command=' '.join(words), **kwargs)\n"
    )
    (tmp_path / "c.toml").write_text('[schedule]\ntrainer = "elsewhere:pod"\n')
    more = {"MIND_CONFIG": str(tmp_path / "c.toml"), "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    task = parsed(tmp_path, **more)["dags"]["mind_nightly"]["tasks"]["train"]
    assert task["kind"] == "Pod"
    assert task["timeout"] == 12 * 3600
    assert "jobs/train.py --ds 2011-12-08" in task["command"][0]


def test_a_large_evaluation_is_sent_to_spark(tmp_path: Path, told: dict[str, Any]) -> None:
    (tmp_path / "c.toml").write_text("[evaluation]\non_spark = true\n")
    dags = parsed(tmp_path, MIND_CONFIG=str(tmp_path / "c.toml"))["dags"]
    for name in ("mind_nightly", "mind_train"):
        assert told["dags"][name]["tasks"]["judge"]["kind"] == "ProjectCommand"
        judge = dags[name]["tasks"]["judge"]
        assert (judge["kind"], judge["command"][0]) == ("ProjectSubmit", "jobs/chain.py")
        assert "evaluate,compare" in judge["command"]
