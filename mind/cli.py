"""The command line for people and monitors; `mind --help` lists it. Importing this module loads nothing heavy.

mind nights                               what was published when, by which model, gate verdicts
mind freshness                            exit code 0 where readers see the night that is due, else 5
mind ready --ds 2011-12-08                exit code 0 where the day's log is complete, 99 where not yet
mind rollback --ds 2011-12-08             readers see again what they saw before the last publish
mind maintain --ds 2011-12-08             fewer files, no old versions
mind explain USER                         history, interests, candidates of one user; --item: why it is absent
mind compare --ds 2011-12-08              challengers beside the champion on a night's test rows; --versions: which
mind replay OTHER --ds 2011-12-08         two tables of candidates against what users did afterwards
mind forget USER                          delete a person from every table
mind doctor                               versions, paths, and one row through all packages
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from mind.config import Config, load
from mind.errors import MindError
from mind.launch import command, environment
from mind.preflight import Unfit
from mind.redaction import redacted, refuse
from mind.steps import JOBS, OPERATIONS, configuration_flags, day

Given = argparse.Namespace


def _nights(given: Given, config: Config) -> str:
    from mind.operations.nights import publications, told

    return told(publications(config.lake.root))


def _freshness(given: Given, config: Config) -> str:
    from mind.operations.nights import check_fresh, publications

    return check_fresh(publications(config.lake.root), given.at or datetime.now(UTC), config)


def _ready(given: Given, config: Config) -> str:
    from mind.operations.watermark import check_complete

    return check_complete(config.ingest.watermark, given.ds, config.lake.time_zone)


def _doctor(given: Given, config: Config) -> str:
    from mind.operations.doctor import examine

    text, well = examine(config)
    sys.stdout.write(text + "\n")
    if not well:
        sys.exit(1)
    _job(given, config)
    return "all is well: this machine can run a night"


def _job(given: Given, config: Config) -> str:
    """Run the operation's job; its exit code is ours."""
    operation = JOBS[given.verb]
    ds = getattr(given, "ds", None)
    if operation.of_a_day and ds is None:
        ds = _newest(config)
    asked = {name: getattr(given, name) for name in operation.asks}
    words = command([operation.name], ds, given.config, given.overrides, asked)
    code = subprocess.run(words, env=environment(), check=False).returncode
    if code:
        sys.exit(code if code > 0 else 128 - code)
    return ""


def _newest(config: Config) -> str:
    from mind.operations.nights import newest_night, publications

    found = newest_night(publications(config.lake.root))
    if found is None:
        raise MindError("readers see no night; publish one, or name a day with --ds")
    return found.ds.isoformat()


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment with a zone; write 2011-12-09T06:00:00Z")
    return found


def parser() -> argparse.ArgumentParser:
    """The flags of every verb."""
    flags = argparse.ArgumentParser(prog="mind", allow_abbrev=False)
    verbs = flags.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, does: str, run: Callable[[Given, Config], str]) -> argparse.ArgumentParser:
        child = verbs.add_parser(
            name, help=does, description=does, parents=[configuration_flags()], add_help=False, allow_abbrev=False
        )
        child.set_defaults(run=run)
        return child

    verb("nights", "what was published when, by which model, gate verdicts", _nights)
    at = verb("freshness", "exit code 0 where readers see the night that is due, else 5", _freshness)
    at.add_argument("--at", type=_moment, metavar="MOMENT", help="as if it were this moment; without it: now")
    ready = verb("ready", "exit code 0 where the day's log is complete, 99 where not yet", _ready)
    ready.add_argument("--ds", type=day, required=True, metavar="YYYY-MM-DD", help="the day")
    for operation in (JOBS["compare"], *OPERATIONS.values()):
        child = verb(operation.name, operation.does, _doctor if operation.name == "doctor" else _job)
        if operation.of_a_day:
            newest = operation.name == "explain"
            text = "the night; without it: the newest that readers see" if newest else "the night"
            child.add_argument("--ds", type=day, required=not newest, metavar="YYYY-MM-DD", help=text)
        for name, text in operation.asks.items():
            optional = text.startswith("optional")
            child.add_argument(f"--{name}" if optional else name, help=text)
    return flags


def main() -> None:
    given = parser().parse_args()
    try:
        text = given.run(given, load(given.config, given.overrides))
    except (MindError, Unfit) as error:
        refuse(error)
    if text:
        sys.stdout.write(redacted(text) + "\n")


if __name__ == "__main__":
    main()
