"""JARs: resolved once with Spark's own resolver, checked against pinned checksums, then local for ever.

python -m mind.storage.jars                    resolve Delta's two into .jars
python -m mind.storage.jars --s3               resolve those for a lake at s3:// into .jars/s3
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
from pathlib import Path

from mind.errors import MindError
from mind.launch import environment
from mind.preflight import Unfit
from mind.storage.jar_pins import DELTA, S3, Jar, JarSet

FOLDER = Path(".jars")
S3_FOLDER = FOLDER / "s3"
PATIENCE_S = 120


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


def resolve(scratch: Path, wanted: JarSet = DELTA) -> Path:
    """The folder into which Spark's resolver brought the JARs.

    Raises:
        MindError: the resolver failed or did not answer in time.
    """
    names = ",".join(jar.artefact for jar in wanted.jars)
    words = ["spark-submit", "--class", "none", "--conf", f"spark.jars.packages={names}"]
    words += ["--conf", f"spark.jars.excludes={wanted.excluded}", "--conf", f"spark.jars.ivy={scratch}"]
    words += ["--master", "local[1]", "spark-internal"]
    remedy = (
        "Check the network and its proxy (ivy reads JAVA_TOOL_OPTIONS), or put the JARs into a directory and run: "
        f"make jars JARS_FROM=/that/directory{' S3=1' if wanted is S3 else ''}"
    )
    try:
        told = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise MindError(f"{names} could not be resolved within {PATIENCE_S} s. {remedy}") from error
    if not all((scratch / "jars" / brought(jar)).exists() for jar in wanted.jars):
        why = [line for line in (told.stdout + told.stderr).splitlines() if "not found" in line or "ERROR" in line]
        raise MindError(f"{names} could not be resolved: {'; '.join(why[:3]) or 'no answer'}. {remedy}")
    return scratch / "jars"


def brought(jar: Jar) -> str:
    """The name that the resolver gives the file."""
    return f"{jar.artefact.split(':')[0]}_{jar.file}"


def ensure(folder: Path = FOLDER, local: Path | None = None, wanted: JarSet = DELTA) -> None:
    """The JARs in `folder`, checked; from `local` if given, else resolved.

    Raises:
        MindError: they cannot be resolved, or are not the pinned ones.
    """
    if local is None and not any(fault(jar, folder / jar.file) for jar in wanted.jars):
        return
    with tempfile.TemporaryDirectory() as scratch:
        source = local or resolve(Path(scratch), wanted)
        for jar in wanted.jars:
            take(jar, source / (jar.file if local else brought(jar)), folder)


def main() -> None:
    flags = argparse.ArgumentParser(prog="python -m mind.storage.jars", allow_abbrev=False)
    flags.add_argument("--from", dest="local", type=Path, help="directory that holds the JARs")
    flags.add_argument("--s3", action="store_true", help="those that Spark needs for s3://, into .jars/s3")
    given = flags.parse_args()
    try:
        ensure(*((S3_FOLDER, given.local, S3) if given.s3 else (FOLDER, given.local, DELTA)))
    except (MindError, Unfit) as error:
        sys.exit(f"mind: {error}")


if __name__ == "__main__":
    main()
