"""What can be started, and with which flags: the steps of the night, and the operations beside it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Step:
    """One job: how it is started and what it does."""

    name: str
    runner: Literal["spark", "torchrun", "python"]
    does: str
    of_a_day: bool = True
    """Whether it takes `--ds`."""
    asks: Mapping[str, str] = field(default_factory=dict)
    """Further flags, each with its help; one whose help begins with "optional" may be left out."""
    evaluates: bool = False
    """Whether it scores test rows, which `evaluation.on_spark` makes Spark's work."""

    def started_by(self, on_spark: bool) -> str:
        """Its runner where `evaluation.on_spark` is so."""
        return "spark" if self.evaluates and on_spark else self.runner


STEPS: dict[str, Step] = {
    step.name: step
    for step in (
        Step(name="ingest", runner="spark", does="raw log -> behaviours, quarantine"),
        Step(name="build_vocabulary", runner="spark", does="behaviours -> vocabulary, items, users"),
        Step(name="build_tuples", runner="spark", does="behaviours -> tuples (Parquet, manifest)"),
        Step(name="train", runner="torchrun", does="tuples -> MLflow run, model version"),
        Step(
            name="evaluate",
            runner="python",
            does="challenger, test tuples -> metrics beside popularity",
            evaluates=True,
        ),
        Step(
            name="compare",
            runner="python",
            does="challengers, champion -> verdict by the rules of [promotion], alias",
            asks={"versions": "optional: numbers of the challengers, 3,5,7; without it: the newest version"},
            evaluates=True,
        ),
        Step(name="embed_items", runner="spark", does="champion, items -> item_vectors"),
        Step(name="embed_users", runner="spark", does="champion, histories -> user_interests"),
        Step(name="retrieve", runner="spark", does="item_vectors, user_interests -> candidates_staged"),
        Step(name="retrieve_item_cf", runner="spark", does="behaviours, items -> candidates_staged, without a model"),
        Step(name="publish", runner="spark", does="candidates_staged, gates -> candidates, publications"),
        Step(name="report", runner="spark", does="every table -> the night's page and summary"),
    )
}
"""What a night may consist of, in order; `night_steps` says which of them it does."""

OPERATIONS: dict[str, Step] = {
    step.name: step
    for step in (
        Step(name="maintain", runner="spark", does="compact a night's files, vacuum what nobody can roll back to"),
        Step(
            name="rollback",
            runner="spark",
            does="readers of a night see an earlier publication of it again, or none",
            asks={"to": "optional: publication_id, or none; without it: what readers saw before the last publish"},
        ),
        Step(
            name="explain",
            runner="spark",
            does="a user's history, interests and first candidates, and why an item is absent",
            asks={"user": "external id of the user", "item": "optional: external id of an item"},
        ),
        Step(
            name="replay",
            runner="spark",
            does="two tables of candidates against what users did afterwards: hits, overlap, intervals",
            asks={
                "other": "a night (YYYY-MM-DD), a version of the table (a number), candidates_staged, or another "
                "lake's root; it is compared with the candidates of --ds",
                "days": "optional: days of behaviours after the later night; without it: 7",
            },
        ),
        Step(
            name="forget",
            runner="spark",
            does="delete a person from every table",
            of_a_day=False,
            asks={"user": "external id of the user"},
        ),
        Step(
            name="data_check",
            runner="spark",
            does="what a raw log holds: counts, times, refused rows by reason, a plot; writes no table",
            of_a_day=False,
            asks={
                "source": "name of a file in conf/sources, without .toml",
                "path": "optional: where the log is; without it: the path in the source file",
            },
        ),
        Step(
            name="doctor", runner="spark", does="one row through all packages, in a folder of its own", of_a_day=False
        ),
    )
}
"""What people and schedulers start beside the night."""

JOBS: dict[str, Step] = STEPS | OPERATIONS
TRAINING = ("build_tuples", "train", "evaluate", "compare")
"""What a night without training leaves out; the champion stays."""
SERVING = ("embed_items", "embed_users", "retrieve", "retrieve_item_cf", "publish")
_WITH_A_MODEL = (*TRAINING, "embed_items", "embed_users", "retrieve")
_WITHOUT = ("retrieve_item_cf",)


def night_steps(method: str, *, trains: bool = True) -> list[str]:
    """The steps of a night, in order, by `retrieval.method`: lists from item neighbours (item_cf) need no model."""
    left_out = _WITH_A_MODEL if method == "item_cf" else (*_WITHOUT, *(() if trains else TRAINING))
    return [name for name in STEPS if name not in left_out]


def day(text: str) -> date:
    """A day written as YYYY-MM-DD.

    Raises:
        argparse.ArgumentTypeError: anything else.
    """
    try:
        found = date.fromisoformat(text)
        if found.isoformat() == text:
            return found
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no day; write it as YYYY-MM-DD, for example 2011-12-08")


def configuration_flags(program: str | None = None) -> argparse.ArgumentParser:
    """The flags that every program of ours has."""
    flags = argparse.ArgumentParser(prog=program, allow_abbrev=False)
    flags.add_argument(
        "--config", type=Path, action="append", default=[], metavar="FILE", help="TOML over conf/default.toml"
    )
    flags.add_argument(
        "--set", action="append", default=[], dest="overrides", metavar="SECTION.KEY=VALUE", help="one value"
    )
    return flags


def parser(program: str, job: Step | None = None) -> argparse.ArgumentParser:
    """The flags of a job: those of every step, and what this one asks for."""
    flags = configuration_flags(program)
    if job is None or job.of_a_day:
        flags.add_argument("--ds", type=day, required=True, metavar="YYYY-MM-DD", help="the day the run is for")
    for name, text in (job.asks if job else {}).items():
        flags.add_argument(f"--{name}", required=not text.startswith("optional"), help=text)
    return flags


def chain_parser() -> argparse.ArgumentParser:
    """The flags of `jobs/chain.py`: those of every job, and the steps that share its application."""
    flags = parser("jobs/chain.py")
    flags.add_argument("--steps", type=_steps, required=True, metavar="STEP,STEP", help="run one after the other")
    return flags


def step(text: str) -> str:
    """The name of a step.

    Raises:
        argparse.ArgumentTypeError: anything else.
    """
    if text not in STEPS:
        raise argparse.ArgumentTypeError(f"{text!r} is no step; the steps are {', '.join(STEPS)}")
    return text


def _steps(text: str) -> list[str]:
    return [step(name) for name in text.split(",")]


def job_flags(
    ds: date | str | None,
    files: Iterable[Path],
    overrides: Iterable[str],
    asked: Mapping[str, str | None] | None = None,
) -> list[str]:
    """The flags as words of a command line; a scheduler gives `ds` as the text that it fills in later."""
    words = [] if ds is None else ["--ds", str(ds)]
    for file in files:
        words += ["--config", str(file)]
    for text in overrides:
        words += ["--set", text]
    # In one word with its flag: the id of a user or an item may begin with a dash.
    return words + [f"--{name}={value}" for name, value in (asked or {}).items() if value is not None]
