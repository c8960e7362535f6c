"""The command line of every job, for make, Airflow and people.

    python -m mind.launch night --ds 2011-12-08 --config conf/demo.toml    run the whole night
    python -m mind.launch run train --ds 2011-12-08                        run one step (or several)
    python -m mind.launch show --ds 2011-12-08                             print the commands and do nothing

Flags cannot be abbreviated. This module imports no Spark and no torch, so that a scheduler can load it.
"""

from __future__ import annotations

import argparse
import functools
import logging
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import chain, groupby
from pathlib import Path

from mind import preflight, run_log
from mind.config import Config, load
from mind.errors import FULL_DISK, MindError, told_of_full_disk
from mind.redaction import redacted, refuse
from mind.steps import JOBS, job_flags, night_steps, parser, step

log = logging.getLogger("mind")


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a job was asked to do."""

    config: Config
    day: date | None = None
    asked: Mapping[str, str | None] = field(default_factory=dict)
    """The job's further flags (`Step.asks`), None where one was left out."""
    configured_by: tuple[str, ...] = ()
    """The words of the command line that name configuration files and single values."""

    @property
    def ds(self) -> date:
        """The day; only jobs that take `--ds` have one."""
        assert self.day is not None
        return self.day


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A Spark application as spark-submit takes it."""

    name: str
    properties_file: str
    driver_memory: str
    application: str
    arguments: list[str]

    @property
    def words(self) -> list[str]:
        return [
            *("spark-submit", "--properties-file", self.properties_file, "--driver-memory", self.driver_memory),
            *("--name", self.name, self.application, *self.arguments),
        ]


def submission(
    steps: Sequence[str],
    ds: date | str | None,
    files: Sequence[Path] = (),
    overrides: Sequence[str] = (),
    asked: Mapping[str, str | None] | None = None,
) -> Submission:
    """One Spark step, or several that share one application."""
    spark = load(files, overrides).spark
    script, *chained = _script(steps)
    return Submission(
        name=" ".join(["mind", *dict.fromkeys([steps[0], steps[-1]]), *([] if ds is None else [str(ds)])]),
        properties_file=spark.properties_file,
        driver_memory=spark.driver_memory,
        application=script,
        arguments=[*chained, *job_flags(ds, files, overrides, asked)],
    )


def command(
    steps: Sequence[str],
    ds: date | str | None,
    files: Sequence[Path] = (),
    overrides: Sequence[str] = (),
    asked: Mapping[str, str | None] | None = None,
) -> list[str]:
    """The command line of one job, or of several steps that share one application.

    Raises:
        MindError: training is one of several steps and none of them is Spark's: nothing can hold them together.
    """
    config = load(files, overrides)
    runners = {JOBS[step].started_by(config.evaluation.on_spark) for step in steps}
    if len(steps) > 1 and "torchrun" in runners and "spark" not in runners:
        raise MindError(f"{', '.join(steps)} cannot share one application; start them one by one")
    if "spark" in runners:
        return submission(steps, ds, files, overrides, asked).words
    tail = [*_script(steps), *job_flags(ds, files, overrides, asked)]
    if runners == {"torchrun"}:
        return ["torchrun", "--standalone", f"--nproc-per-node={config.training.processes}", *tail]
    return ["python", *tail]


def _script(steps: Sequence[str]) -> list[str]:
    return [f"jobs/{steps[0]}.py"] if len(steps) == 1 else ["jobs/chain.py", "--steps", ",".join(steps)]


def environment() -> dict[str, str]:
    """This process's variables, with its interpreter, the programs beside it and a supported Java in front."""
    return os.environ | variables(sys.executable, os.environ)


def variables(python: str, held: Mapping[str, str]) -> dict[str, str]:
    """What a job needs beside the variables held: the interpreter that runs it, its programs, a supported Java."""
    java = preflight.find_java()
    programs = Path(python).parent
    # One thread a process unless told otherwise: ranks and Spark's workers are already one a core.
    return {
        "OMP_NUM_THREADS": held.get("OMP_NUM_THREADS", "1"),
        run_log.RUN_ID: held.get(run_log.RUN_ID) or run_log.new_run_id(),
        "JAVA_HOME": str(java),
        "PATH": os.pathsep.join([str(programs), held.get("PATH", "")]),
        "PYSPARK_PYTHON": python,
        "PYSPARK_DRIVER_PYTHON": python,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "PYTHONUNBUFFERED": "1",
    }


def job(name: str) -> Callable[[Callable[[Run], None]], Callable[[], None]]:
    """Make `main(run)` a program: flags parsed, the log started, an expected error printed as one message."""

    def wrap(main: Callable[[Run], None]) -> Callable[[], None]:
        @functools.wraps(main)
        def program() -> None:
            asks = JOBS[name].asks
            given = parser(f"jobs/{name}.py", JOBS[name]).parse_args()
            ds: date | None = getattr(given, "ds", None)
            started = time.monotonic()
            run_log.start(name, ds.isoformat() if ds else None, "")
            try:
                config = load(given.config, given.overrides)
                run_log.start(name, ds.isoformat() if ds else None, config.logs.folder)
                log.debug("started")
                asked = {flag: getattr(given, flag) for flag in asks}
                words = tuple(job_flags(None, given.config, given.overrides))
                main(Run(day=ds, config=config, asked=asked, configured_by=words))
            except MindError as error:
                log.error("FAILED: %s", error, extra=run_log.timed(started))
                sys.exit(error.exit_code)
            except Exception as error:
                full = told_of_full_disk(error)
                if full is None:
                    raise
                log.error("FAILED: %s. %s", full, FULL_DISK, extra=run_log.timed(started))
                sys.exit(MindError.exit_code)
            log.debug("done", extra=run_log.timed(started))

        return program

    return wrap


def applications(steps: Iterable[str], *, shared: bool, on_spark: bool = False) -> list[list[str]]:
    """The steps grouped into applications.

    Neighbours with the same runner (`on_spark` as in [evaluation]) share one, training stands alone. With `shared` the
    Spark application of the first Spark step lasts until the last one; what lies between runs in it, training beside.
    """
    groups = [list(names) for _, names in groupby(steps, key=lambda name: JOBS[name].started_by(on_spark))]
    spark = [place for place, names in enumerate(groups) if JOBS[names[0]].started_by(on_spark) == "spark"]
    if not shared or len(spark) < 2:
        return groups
    first, last = spark[0], spark[-1]
    return [*groups[:first], list(chain.from_iterable(groups[first : last + 1])), *groups[last + 1 :]]


def start(steps: Sequence[str], ds: date, files: Sequence[Path], overrides: Sequence[str]) -> None:
    """Start the steps' application and wait for it; where it fails, end this program with its exit code."""
    # A child of a Spark driver must not find its way to the driver's JVM.
    held = {name: value for name, value in environment().items() if not name.startswith("PYSPARK_GATEWAY")}
    code = subprocess.run(command(steps, ds, files, overrides), env=held, check=False).returncode
    if code:
        sys.exit(code if code > 0 else 128 - code)


def announce(step: str, seconds: float) -> None:
    """Say which step begins, and how long after the first."""
    sys.stdout.write(f"\n== {step}  [{seconds:.0f} s]\n")
    sys.stdout.flush()


def run(steps: Sequence[str], ds: date, files: Sequence[Path], overrides: Sequence[str]) -> None:
    """Run the steps in order; the first failure ends the program with its exit code."""
    started = time.monotonic()
    os.environ |= environment()  # one run id for all of them
    config = load(files, overrides)
    for names in applications(steps, shared=config.spark.one_application, on_spark=config.evaluation.on_spark):
        if len(names) == 1:  # several are announced one by one, by jobs/chain.py
            announce(names[0], time.monotonic() - started)
        try:
            start(names, ds, files, overrides)
        except SystemExit as failed:
            sys.stdout.write(
                f"\nThe run for {ds} stopped in the step named last (exit code {failed.code}). Nothing after it ran; "
                "readers see what was published before, if anything was. Once it is mended, run the command again.\n"
            )
            raise
    sys.stdout.write(f"\n{len(steps)} step{'s' * (len(steps) > 1)} for {ds} in {time.monotonic() - started:.0f} s\n")


def main() -> None:
    flags = argparse.ArgumentParser(prog="python -m mind.launch", allow_abbrev=False)
    verbs = flags.add_subparsers(dest="verb", required=True)
    for verb, many, text in (
        ("run", "+", "run these steps"),
        ("show", "*", "print their commands, or the night's"),
    ):
        child = verbs.add_parser(verb, help=text, parents=[parser("")], add_help=False, allow_abbrev=False)
        child.add_argument("steps", nargs=many, type=step, metavar="STEP")
    night = verbs.add_parser("night", help="run every step", parents=[parser("")], add_help=False, allow_abbrev=False)
    night.add_argument("--skip", action="append", default=[], choices=["train"], help="keep the champion, no tuples")
    given = flags.parse_args()
    try:
        config = load(given.config, given.overrides)
        if given.verb == "night" or not given.steps:
            given.steps = night_steps(config.retrieval.method, trains=not getattr(given, "skip", None))
        if given.verb == "show":
            for names in applications(given.steps, shared=False, on_spark=config.evaluation.on_spark):
                words = command(names, given.ds, given.config, given.overrides)
                sys.stdout.write(redacted(shlex.join(words)) + "\n")
        else:
            run(given.steps, given.ds, given.config, given.overrides)
    except (MindError, preflight.Unfit) as error:
        refuse(error)


if __name__ == "__main__":
    main()
