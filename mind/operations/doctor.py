"""Does this machine have what a night needs? Versions, JARs, Java, and places that can be written."""

from __future__ import annotations

import re
import sys
import tomllib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from mind.config import Config
from mind.errors import MindError, first_line
from mind.preflight import JAVA, PYTHON, Unfit, find_java, java_major
from mind.storage.jar_pins import DELTA
from mind.storage.jars import FOLDER, fault
from mind.storage.places import opened
from mind.storage.tuple_files import table_uri

PACKAGES = ("pyspark", "delta-spark", "petastorm", "pyarrow", "torch", "faiss-cpu", "mlflow")
"""The seven that a night stands on."""
PETASTORM_READS_UP_TO = 14
"""Major version of pyarrow whose old interface petastorm 0.12.1 still finds."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    found: str
    remedy: str = ""
    """Empty where all is well."""


def examine(config: Config) -> tuple[str, bool]:
    """The findings in words, and whether all is well."""
    findings = [*_programs(), *_packages(Path("pyproject.toml")), *_jars(), *_places(config)]
    width = max(len(one.what) for one in findings)
    lines = [
        f"{'ok  ' if not one.remedy else 'BAD '} {one.what.ljust(width)}  {one.found}"
        + (f"  -> {one.remedy}" if one.remedy else "")
        for one in findings
    ]
    return "\n".join(lines), not any(one.remedy for one in findings)


def _programs() -> Iterator[Finding]:
    python = sys.version_info[:2]
    remedy = "" if python == PYTHON else f"use Python {PYTHON[0]}.{PYTHON[1]}: make setup"
    yield Finding(what="Python", found=f"{python[0]}.{python[1]} at {sys.executable}", remedy=remedy)
    try:
        java = find_java()
        yield Finding(what="Java", found=f"{java_major(java / 'bin' / 'java')} at {java}")
    except Unfit as error:
        yield Finding(what="Java", found=f"none of {JAVA}", remedy=str(error))


def _packages(project: Path) -> Iterator[Finding]:
    wanted = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    pinned = dict(text.split("==") for text in wanted)
    for name in PACKAGES:
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(what=name, found="missing", remedy="make setup")
            continue
        # torch marks its builds: 2.13.0+cpu is 2.13.0.
        remedy = "" if found.split("+")[0] == pinned[name] else f"pinned is {pinned[name]}: make setup"
        yield Finding(what=name, found=found, remedy=remedy)
    major = int(re.split(r"\D", metadata.version("pyarrow"))[0])
    remedy = (
        "" if major <= PETASTORM_READS_UP_TO else f"petastorm needs pyarrow up to {PETASTORM_READS_UP_TO}: make setup"
    )
    yield Finding(what="petastorm against pyarrow", found=f"pyarrow {major}", remedy=remedy)


def _jars() -> Iterator[Finding]:
    for jar in DELTA.jars:
        wrong = fault(jar, FOLDER / jar.file)
        yield Finding(what=jar.artefact, found=wrong or "as pinned", remedy="make jars" if wrong else "")


def _places(config: Config) -> Iterator[Finding]:
    places = {"lake.root": config.lake.root, "report.folder": config.report.folder, "logs.folder": config.logs.folder}
    if "://" not in config.tracking.artifacts:
        places["tracking.artifacts"] = config.tracking.artifacts
    for key, place in places.items():
        if not place:
            continue
        try:
            _write_and_delete(place)
            yield Finding(what=key, found=f"{place} can be written")
        except (OSError, MindError) as error:
            reason = first_line(error)
            yield Finding(what=key, found=f"{place} cannot be written: {reason}", remedy=f"mend it or change {key}")


def _write_and_delete(place: str) -> None:
    name = f".doctor-{uuid.uuid4().hex}"
    system, path = opened(table_uri(place, name))
    system.create_dir(path.rpartition("/")[0], recursive=True)
    with system.open_output_stream(path) as stream:
        stream.write(b"x")
    system.delete_file(path)
