"""Before anything is installed: is there a Python, a Java and a disk that the pipeline can use?

Standard library only and run by the system's interpreter, so it must also start on an older Python. It prints one
sentence with the remedy and exits 1, or exits 0 in silence.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PYTHON = (3, 11)
JAVA = (17, 21)
"""Major versions that Spark 4.0 supports; 25 breaks it (a security manager call that is gone)."""
INSTALL_GB = 9
"""Free disk that the installation needs: about 6 GB of packages and their download."""


class Unfit(Exception):
    """This machine lacks something; the message says what and how to get it."""


def java_major(java: Path) -> int | None:
    """The major version of a `java` binary, None where it does not run."""
    try:
        told = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=30).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', told)
    return int(match.group(1)) if match else None


def java_homes(environment: dict[str, str]) -> list[Path]:
    """Where a Java may be, best first: JAVA_HOME, the one on PATH, then the usual folders."""
    homes = []
    if environment.get("JAVA_HOME"):
        homes.append(Path(environment["JAVA_HOME"]))
    on_path = shutil.which("java", path=environment.get("PATH", ""))
    if on_path:
        homes.append(Path(on_path).resolve().parent.parent)
    for folder in environment.get(
        "MIND_JAVA_FOLDERS",
        "/usr/lib/jvm:/opt/java:~/.sdkman/candidates/java:/Library/Java/JavaVirtualMachines",
    ).split(":"):
        root = Path(folder).expanduser()
        if root.is_dir():
            for child in sorted(root.iterdir()):
                homes += [child, child / "Contents" / "Home"]
    return [home for home in dict.fromkeys(homes) if (home / "bin" / "java").exists()]


def find_java(environment: dict[str, str] | None = None) -> Path:
    """JAVA_HOME of a Java that Spark supports: 17 wherever it is, else 21.

    Raises:
        Unfit: none of the Javas found is supported; each is named with its version.
    """
    found = {home: java_major(home / "bin" / "java") for home in java_homes(dict(environment or os.environ))}
    for wanted in JAVA:
        for home, major in found.items():
            if major == wanted:
                return home
    seen = ", ".join(f"{major or 'broken'} in {home}" for home, major in found.items()) or "none"
    raise Unfit(
        f"Spark needs Java {JAVA[0]} or {JAVA[1]}; found: {seen}. "
        f"Install one (Debian: apt-get install openjdk-{JAVA[0]}-jre-headless) or set JAVA_HOME to it."
    )


def check_python(version: tuple[int, int]) -> None:
    """Raises Unfit unless this is the Python that the lock file was made for."""
    if version != PYTHON:
        raise Unfit(
            f"Python {PYTHON[0]}.{PYTHON[1]} is needed, {sys.executable} is {version[0]}.{version[1]}. "
            "Install it (Debian: apt-get install python3.11 python3.11-venv) or run make PYTHON=/path/to/python3.11."
        )


def check_disk(folder: Path, needed_gb: float = INSTALL_GB) -> None:
    """Raises Unfit where the installation would fill the disk."""
    free = shutil.disk_usage(folder).free / 1e9
    if free < needed_gb:
        raise Unfit(
            f"The installation needs {needed_gb:g} GB of free disk, {folder.resolve()} has {free:.1f} GB. "
            "Free some, or clone the project to a larger disk."
        )


def main() -> None:
    try:
        check_python((sys.version_info[0], sys.version_info[1]))
        find_java()
        if not Path(".venv/.ready").exists():
            check_disk(Path("."))
    except Unfit as error:
        sys.exit(f"mind: {error}")


if __name__ == "__main__":
    main()
