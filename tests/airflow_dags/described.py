"""Run by Airflow's own interpreter: parses the DAGs and prints what tests look at, as JSON on the last line."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowException

from airflow_dags.tasks import ProjectCommand


def rendered(dag, task) -> list[str]:
    """The command line of a task for a manual run without a date, at a quarter to midnight."""
    run = SimpleNamespace(logical_date=None, run_after=datetime(2011, 12, 8, 23, 45, tzinfo=UTC))
    context = {"dag_run": run, "params": {"ds": "", "train": "schedule"}, "run_id": "r"}
    task.render_template_fields(context, dag.get_template_env())
    if hasattr(task, "application"):
        return [task.application, *task.application_args]
    return [str(task.bash_command)]


def ending(code: int) -> str:
    """What Airflow is told when a command ends with this exit code."""
    try:
        ProjectCommand(task_id=f"ends_with_{code}", bash_command=f"exit {code}", append_env=True).execute({})
    except AirflowException as error:
        return type(error).__name__
    return "success"


def main() -> None:
    bag = DagBag(sys.argv[1])
    told = {}
    for name, dag in bag.dags.items():
        tasks = {}
        for task in dag.tasks:
            tasks[task.task_id] = {
                "after": sorted(task.upstream_task_ids),
                "retries": task.retries,
                "timeout": task.execution_timeout.total_seconds() if task.execution_timeout else None,
                "pool": task.pool,
                "alerts": bool(task.on_failure_callback),
                "kind": type(task).__name__,
                "command": rendered(dag, task) if hasattr(task, "bash_command") or hasattr(task, "application") else [],
            }
        told[name] = {
            "tasks": tasks,
            "doc": dag.doc_md or "",
            "parallel": dag.max_active_runs,
            "late": bool(dag.deadline),
        }
    branch = bag.dags["mind_nightly"].get_task("choose_training").python_callable
    heavy = {"pyspark", "torch", "mlflow", "faiss", "pandas"} & set(sys.modules)
    sys.stdout.write(
        "\n"
        + json.dumps(
            {
                "errors": bag.import_errors,
                "dags": told,
                "heavy": sorted(heavy),
                "branches": {train: branch("2011-12-08", train) for train in ("yes", "no")},
                "endings": {code: ending(code) for code in (0, 2, 3, 4, 137)},
            }
        )
    )


if __name__ == "__main__":
    main()
