"""Which process a run belongs to, so that one that was killed is told from one that works on beside us."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HOST, PROCESS = "host", "process"


def of_this_process() -> dict[str, str]:
    """The tags of a run: the machine, and this process on it (its number and when it started)."""
    return {HOST: platform.node(), PROCESS: f"{os.getpid()} {_started(os.getpid())}"}


def has_ended(tags: Mapping[str, str]) -> bool:
    """Whether the run with these tags was of a process of this machine that is gone.

    Of another machine nothing is known, nor of a run without these tags: False.
    """
    if tags.get(HOST) != platform.node() or PROCESS not in tags:
        return False
    number, _, started = tags[PROCESS].partition(" ")
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    # The same number may have been given to another process since.
    return _started(int(number)) != started


def _started(number: int) -> str:
    """When the process started, in the kernel's ticks since this boot; empty where the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The name in brackets may hold spaces; the start time is the 20th field after it.
        ticks = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except OSError:
        return ""
    return f"{ticks} {boot}"


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold the lock file while the body runs; another process that wants it waits. It ends with the process."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
