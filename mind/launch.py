"""The command line of every job, for make, Airflow and people.

    python -m mind.launch night --ds 2011-12-08 --config conf/demo.toml    run the whole night
    python -m mind.launch run train --ds 2011-12-08                        run one step (or several)
    python -m mind.launch show ingest --ds 2011-12-08                      print the command and do nothing

Every job takes the same three flags, which cannot be abbreviated. This module imports no Spark and no torch, so that a
scheduler can load it.
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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Literal

from mind import preflight
from mind.config import Config, load
from mind.errors import MindError

log = logging.getLogger("mind")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the night: how it is started and what it does."""

    name: str
    runner: Literal["spark", "torchrun", "python"]
    does: str


STEPS: dict[str, Step] = {
    step.name: step
    for step in (
        Step(name="ingest", runner="spark", does="raw log -> behaviours, quarantine"),
        Step(name="build_vocabulary", runner="spark", does="behaviours -> vocabulary, items, users"),
        Step(name="build_tuples", runner="spark", does="behaviours -> tuples (Parquet, manifest)"),
        Step(name="train", runner="torchrun", does="tuples -> MLflow run, model version"),
        Step(name="evaluate", runner="python", does="challenger, test tuples -> metrics beside popularity"),
        Step(name="compare", runner="python", does="challenger, champion -> verdict, alias"),
        Step(name="embed_items", runner="spark", does="champion, items -> item_vectors"),
        Step(name="embed_users", runner="spark", does="champion, histories -> user_interests"),
        Step(name="retrieve", runner="spark", does="item_vectors, user_interests -> candidates_staged"),
        Step(name="publish", runner="spark", does="candidates_staged, gates -> candidates, publications"),
        Step(name="report", runner="spark", does="every table -> the night's page and summary"),
    )
}
"""The night, in order."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a job was asked to do."""

    ds: date
    config: Config


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
        if day.isoformat() == text:
            return day
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no day; write it as YYYY-MM-DD, for example 2011-12-08")


def parser(program: str) -> argparse.ArgumentParser:
    """The flags of every job."""
    flags = argparse.ArgumentParser(prog=program, allow_abbrev=False)
    flags.add_argument("--ds", type=_day, required=True, metavar="YYYY-MM-DD", help="the day the run is for")
    flags.add_argument(
        "--config", type=Path, action="append", default=[], metavar="FILE", help="TOML over conf/default.toml"
    )
    flags.add_argument(
        "--set", action="append", default=[], dest="overrides", metavar="SECTION.KEY=VALUE", help="one value"
    )
    return flags


def chain_parser() -> argparse.ArgumentParser:
    """The flags of `jobs/chain.py`: those of every job, and the steps that share its application."""
    flags = parser("jobs/chain.py")
    flags.add_argument("--steps", type=_steps, required=True, metavar="STEP,STEP", help="run one after the other")
    return flags


def _steps(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in STEPS:
            raise argparse.ArgumentTypeError(f"{name!r} is no step; the steps are {', '.join(STEPS)}")
    return names


def job_flags(ds: date, files: Iterable[Path], overrides: Iterable[str]) -> list[str]:
    """The common flags as words of a command line."""
    words = ["--ds", ds.isoformat()]
    for file in files:
        words += ["--config", str(file)]
    for text in overrides:
        words += ["--set", text]
    return words


def command(steps: Sequence[str], ds: date, files: Sequence[Path] = (), overrides: Sequence[str] = ()) -> list[str]:
    """The command line of one step, or of several that share one application.

    Raises:
        MindError: the steps need different runners.
    """
    runners = {STEPS[step].runner for step in steps}
    if len(runners) != 1 or (runners == {"torchrun"} and len(steps) > 1):
        raise MindError(f"{', '.join(steps)} cannot share one application; start them one by one")
    config = load(files, overrides)
    script = [f"jobs/{steps[0]}.py"] if len(steps) == 1 else ["jobs/chain.py", "--steps", ",".join(steps)]
    tail = [*script, *job_flags(ds, files, overrides)]
    if runners == {"torchrun"}:
        return ["torchrun", "--standalone", f"--nproc-per-node={config.training.processes}", *tail]
    if runners == {"python"}:
        return ["python", *tail]
    spark = config.spark
    return [
        *("spark-submit", "--properties-file", spark.properties_file, "--driver-memory", spark.driver_memory),
        *("--name", f"mind {','.join(steps)} {ds}", *tail),
    ]


def environment() -> dict[str, str]:
    """This process's variables, with the interpreter, its programs and a supported Java in front."""
    java = preflight.find_java()
    programs = Path(sys.executable).parent
    # One thread a process unless told otherwise: ranks and Spark's workers are already one a core.
    return (
        {"OMP_NUM_THREADS": "1"}
        | os.environ
        | {
            "JAVA_HOME": str(java),
            "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", "")]),
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_DRIVER_PYTHON": sys.executable,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PYTHONUNBUFFERED": "1",
        }
    )


def job(step: str) -> Callable[[Callable[[Run], None]], Callable[[], None]]:
    """Make `main(run)` a program: flags parsed, the log started, an expected error printed as one message."""

    def wrap(main: Callable[[Run], None]) -> Callable[[], None]:
        @functools.wraps(main)
        def program() -> None:
            given = parser(f"jobs/{step}.py").parse_args()
            logging.basicConfig(
                format=f"%(asctime)s {step:<16} %(message)s",
                datefmt="%H:%M:%S",
                stream=sys.stdout,
                force=True,
            )
            log.setLevel(logging.INFO)
            try:
                main(Run(ds=given.ds, config=load(given.config, given.overrides)))
            except MindError as error:
                log.error("FAILED: %s", error)
                sys.exit(error.exit_code)

        return program

    return wrap


def applications(steps: Iterable[str]) -> list[list[str]]:
    """The steps grouped into applications: neighbours with the same runner share one, training stands alone."""
    return [list(names) for _, names in groupby(steps, key=lambda name: STEPS[name].runner)]


def run(steps: Sequence[str], ds: date, files: Sequence[Path], overrides: Sequence[str]) -> None:
    """Run the steps in order; the first failure ends the program with its exit code."""
    started = time.monotonic()
    for names in applications(steps):
        words = command(names, ds, files, overrides)
        sys.stdout.write(f"\n== {' + '.join(names)}  [{time.monotonic() - started:.0f} s]\n")
        sys.stdout.flush()
        code = subprocess.run(words, env=environment(), check=False).returncode
        if code:
            sys.stdout.write(
                f"\nThe run for {ds} stopped in {' + '.join(names)} (exit code {code}). Nothing after it ran; "
                f"readers see the last night that was published. When it is mended, run the same command again.\n"
            )
            sys.exit(code if code > 0 else 128 - code)
    sys.stdout.write(f"\n{len(steps)} steps for {ds} in {time.monotonic() - started:.0f} s\n")


def main() -> None:
    flags = argparse.ArgumentParser(prog="python -m mind.launch", allow_abbrev=False)
    verbs = flags.add_subparsers(dest="verb", required=True)
    for verb, text in (("run", "run these steps"), ("show", "print the command lines")):
        child = verbs.add_parser(verb, help=text, parents=[parser("")], add_help=False, allow_abbrev=False)
        child.add_argument("steps", nargs="+", choices=list(STEPS), metavar="STEP")
    night = verbs.add_parser("night", help="run every step", parents=[parser("")], add_help=False, allow_abbrev=False)
    night.add_argument("--skip", action="append", default=[], choices=["train"], help="keep the champion")
    given = flags.parse_args()
    untrained = ["train", "evaluate", "compare"] if given.verb == "night" and given.skip else []
    steps = given.steps if given.verb != "night" else [name for name in STEPS if name not in untrained]
    try:
        if given.verb == "show":
            for names in applications(steps):
                sys.stdout.write(shlex.join(command(names, given.ds, given.config, given.overrides)) + "\n")
        else:
            run(steps, given.ds, given.config, given.overrides)
    except (MindError, preflight.Unfit) as error:
        sys.exit(f"mind: {error}")


if __name__ == "__main__":
    main()
