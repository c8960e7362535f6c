"""Delta's two JARs: resolved once with Spark's own resolver, checked against pinned checksums, then local for ever.

python -m mind.storage.jars                    resolve into .jars
python -m mind.storage.jars --from DIRECTORY   take them from a local directory instead (no network)
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mind.errors import MindError
from mind.launch import environment
from mind.preflight import Unfit

FOLDER = Path(".jars")
PATIENCE_S = 120

EXCLUDED = (
    "org.*:*,com.*:*,net.*:*,javax.*:*,jakarta.*:*,commons-*:*,ch.*:*,dev.*:*,"
    "io.netty:*,io.unitycatalog:*,io.delta:delta-kernel-*"
)
"""What Delta's POM names beside the two: Spark has it already, or path tables do not need it (164 MB)."""


@dataclass(frozen=True)
class Jar:
    """One pinned artefact."""

    artefact: str
    sha256: str

    @property
    def file(self) -> str:
        _, name, version = self.artefact.split(":")
        return f"{name}-{version}.jar"


JARS = (
    Jar(
        "io.delta:delta-spark_4.0_2.13:4.4.0",
        "49e899667168b9412f83cbe894ce264107d7b896d6c5e12edca4e216845c1104",
    ),
    Jar("io.delta:delta-storage:4.4.0", "c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc"),
)


def fault(jar: Jar, file: Path) -> str | None:
    """Why `file` is not the pinned JAR; None where it is."""
    if not file.exists():
        return f"{file} is missing"
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    return None if found == jar.sha256 else f"{file} has SHA-256 {found}, pinned is {jar.sha256}"


def take(jar: Jar, source: Path, folder: Path) -> None:
    """Copy a checked JAR into `folder`, whole or not at all."""
    wrong = fault(jar, source)
    if wrong:
        raise MindError(f"{jar.artefact} cannot be used: {wrong}")
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{jar.file}.{os.getpid()}"
    shutil.copyfile(source, part)
    part.replace(folder / jar.file)


def resolve(scratch: Path) -> Path:
    """The folder into which Spark's resolver brought the JARs.

    Raises:
        MindError: the resolver failed or did not answer in time.
    """
    names = ",".join(jar.artefact for jar in JARS)
    words = ["spark-submit", "--class", "none", "--conf", f"spark.jars.packages={names}"]
    words += ["--conf", f"spark.jars.excludes={EXCLUDED}", "--conf", f"spark.jars.ivy={scratch}"]
    words += ["--master", "local[1]", "spark-internal"]
    remedy = (
        "Check the network and its proxy (ivy reads JAVA_TOOL_OPTIONS), or put both JARs into a directory and run: "
        "make jars JARS_FROM=/that/directory"
    )
    try:
        told = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise MindError(f"{names} could not be resolved within {PATIENCE_S} s. {remedy}") from error
    if not all((scratch / "jars" / brought(jar)).exists() for jar in JARS):
        why = [line for line in (told.stdout + told.stderr).splitlines() if "not found" in line or "ERROR" in line]
        raise MindError(f"{names} could not be resolved: {'; '.join(why[:3]) or 'no answer'}. {remedy}")
    return scratch / "jars"


def brought(jar: Jar) -> str:
    """The name that the resolver gives the file."""
    return f"{jar.artefact.split(':')[0]}_{jar.file}"


def ensure(folder: Path = FOLDER, local: Path | None = None) -> None:
    """Both JARs in `folder`, checked; from `local` if given, else resolved."""
    if local is None and not any(fault(jar, folder / jar.file) for jar in JARS):
        return
    with tempfile.TemporaryDirectory() as scratch:
        source = local or resolve(Path(scratch))
        for jar in JARS:
            take(jar, source / (jar.file if local else brought(jar)), folder)


def main() -> None:
    flags = argparse.ArgumentParser(prog="python -m mind.storage.jars", allow_abbrev=False)
    flags.add_argument("--from", dest="local", type=Path, help="directory that holds both JARs")
    try:
        ensure(local=flags.parse_args().local)
    except (MindError, Unfit) as error:
        sys.exit(f"mind: {error}")


if __name__ == "__main__":
    main()
