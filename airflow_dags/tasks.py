"""The launcher's command lines as Airflow's tasks.

Spark steps go through the Spark provider's operator (connection `spark_default`: its master is where they run), so that
a killed task kills its application. A training's task is made by what `schedule.trainer` names.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Sequence
from contextlib import chdir
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.sensors.bash import BashSensor
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from airflow_dags import alerts
from airflow_dags.days import Days
from mind.config import Config, load
from mind.launch import Submission, command, submission, variables
from mind.operating import ScheduleSection

PROJECT = Path(os.environ.get("MIND_PROJECT") or Path(__file__).resolve().parent.parent)
"""The checkout that the workers run; relative paths of the configuration begin here."""
PYTHON = os.environ.get("MIND_PYTHON") or str(PROJECT / ".venv/bin/python")
"""The interpreter of the locked environment, not Airflow's."""
DS = "{{ day_of(dag_run, params) }}"
POOL = "mind_heavy"
"""Slots for steps that fill a machine or a queue: as many as may run at once."""
HOPELESS = (3, 4)
"""Exit codes of a broken promise and of a failed gate: the same input fails the same way, so nobody tries again."""


def last_word(error: Exception) -> int | None:
    """The exit code in the message of the Spark provider or of the Bash operator."""
    told = re.search(r"(?:Error code is:|exit code) (\d+)", str(error))
    return int(told.group(1)) if told else None


class ProjectSubmit(SparkSubmitOperator):
    """spark-submit from the checkout, with the locked interpreter and a Java that Spark supports."""

    def __init__(self, *, may_fail: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.may_fail = may_fail

    def execute(self, context: Any) -> None:
        # A task has a process of its own, so its folder is nobody else's.
        with chdir(PROJECT):
            self.env_vars = variables(PYTHON, os.environ | (self.env_vars or {}))
            try:
                super().execute(context)
            except AirflowException as error:
                if self.may_fail:
                    raise AirflowSkipException(f"left out: {error}") from error
                if last_word(error) in HOPELESS:
                    raise AirflowFailException(str(error)) from error
                raise


class ProjectCommand(BashOperator):
    """A command line from the checkout, with the locked environment's programs in front."""

    def execute(self, context: Any) -> Any:
        self.env = variables(PYTHON, os.environ | (self.env or {}))
        try:
            return super().execute(context)
        except AirflowException as error:
            if last_word(error) in HOPELESS:
                raise AirflowFailException(str(error)) from error
            raise


def torchrun(task_id: str, words: Sequence[str], **kwargs: Any) -> BaseOperator:
    """A training on the worker's own machine. Another maker of the same signature may start it elsewhere."""
    return _plain(task_id, words, **kwargs)


def _plain(task_id: str, words: Sequence[str], **kwargs: Any) -> BaseOperator:
    # By its path: the shell's input is a socket of Airflow's, and then bash reads ~/.bashrc, whose PATH may begin with
    # another Python (or Airflow's own).
    program = str(Path(PYTHON).with_name(words[0]))
    line = f"exec {shlex.join([program, *words[1:]])}"
    return ProjectCommand(task_id=task_id, bash_command=line, cwd=str(PROJECT), append_env=True, **kwargs)


@dataclass(frozen=True)
class Nights:
    """Makes the tasks of one configuration."""

    files: tuple[Path, ...]

    @classmethod
    def of_environment(cls) -> Nights:
        """MIND_CONFIG holds the TOML files over conf/default.toml, separated as in PATH."""
        given = os.environ.get("MIND_CONFIG", "conf/demo.toml")
        return cls(tuple(Path(name) for name in given.split(os.pathsep) if name))

    @cached_property
    def config(self) -> Config:
        with chdir(PROJECT):
            return load(self.files)

    @property
    def schedule(self) -> ScheduleSection:
        return self.config.schedule

    @property
    def days(self) -> Days:
        return Days(self.config.lake.time_zone)

    @property
    def policy(self) -> dict[str, Any]:
        """What every task has: a step that is run again gives what the run gave, so trying again is safe."""
        plan = self.schedule
        return {
            "retries": plan.retries,
            "retry_delay": timedelta(minutes=plan.retry_minutes),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(hours=1),
            "execution_timeout": timedelta(hours=plan.step_hours),
            "on_failure_callback": partial(alerts.failed, command=plan.alert),
        }

    def submission(self, *steps: str) -> Submission:
        with chdir(PROJECT):
            return submission(steps, DS, self.files)

    def spark(self, task_id: str, *steps: str, **kwargs: Any) -> ProjectSubmit:
        """One Spark application for the steps."""
        what = self.submission(*steps)
        return ProjectSubmit(
            task_id=task_id,
            name=what.name,
            application=what.application,
            application_args=what.arguments,
            properties_file=what.properties_file,
            driver_memory=what.driver_memory,
            env_vars={"MIND_RUN_ID": "{{ run_id }}"},
            pool=POOL,
            **kwargs,
        )

    def train(self, task_id: str, **kwargs: Any) -> BaseOperator:
        """The training, by the maker that `schedule.trainer` names."""
        module, _, function = self.schedule.trainer.partition(":")
        maker = cast("Callable[..., BaseOperator]", getattr(import_module(module), function))
        with chdir(PROJECT):
            words = command(["train"], DS, self.files)
        limit = timedelta(hours=self.schedule.train_hours)
        return maker(task_id, words, env={"MIND_RUN_ID": "{{ run_id }}"}, pool=POOL, execution_timeout=limit, **kwargs)

    def python(self, task_id: str, *steps: str, **kwargs: Any) -> BaseOperator:
        """Steps that need neither Spark nor ranks."""
        with chdir(PROJECT):
            words = command(steps, DS, self.files)
        return _plain(task_id, words, env={"MIND_RUN_ID": "{{ run_id }}"}, pool=POOL, **kwargs)

    def judge(self, task_id: str) -> BaseOperator:
        """Evaluation and comparison, on Spark where the configuration says so."""
        make = self.spark if self.config.evaluation.on_spark else self.python
        return make(task_id, "evaluate", "compare")

    def wait_for_log(self, task_id: str) -> BashSensor:
        """Until the day's log is complete by its own watermark; between two looks the task holds no worker."""
        configs = [word for file in self.files for word in ("--config", str(file))]
        words = [PYTHON, "-m", "mind.cli", "ready", "--ds", DS, *configs]
        return BashSensor(
            task_id=task_id,
            bash_command=f"cd {shlex.quote(str(PROJECT))} && exec {shlex.join(words)}",
            retry_exit_code=99,
            mode="reschedule",
            poke_interval=float(self.schedule.poll_seconds),
            timeout=3600.0 * self.schedule.wait_hours,
        )
