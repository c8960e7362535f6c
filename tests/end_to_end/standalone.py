"""A standalone Spark cluster on this machine: a master and workers of one core each, every one a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mind.launch import environment

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 1800
DEPLOY = "org.apache.spark.deploy"


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    folder: Path
    port: int
    page: int
    workers: tuple[subprocess.Popen[bytes], ...]

    @property
    def master(self) -> str:
        return f"spark://127.0.0.1:{self.port}"

    def alive(self) -> int:
        """Workers that the master holds for alive; -1 while it does not answer."""
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.page}/json/", timeout=60) as answer:
            return int(json.load(answer)["aliveworkers"])
        return -1

    def wait_for(self, workers: int) -> None:
        until = time.monotonic() + PATIENCE_S
        while self.alive() != workers:
            assert time.monotonic() < until, f"{self.alive()} workers instead of {workers}:\n{self.logs()}"
            time.sleep(0.5)

    def lose_a_worker(self) -> None:
        """kill -9 the first worker together with its executors, as when its machine goes."""
        _kill_group(self.workers[0])

    def executors(self) -> list[str]:
        """What each executor that ever was printed."""
        return [file.read_text(errors="replace") for file in sorted(self.folder.rglob("app-*/*/stderr"))]

    def logs(self) -> str:
        """The last lines of master, workers and executors."""
        files = [*self.folder.glob("*.log"), *self.folder.rglob("app-*/*/stderr")]
        ends = [(file, file.read_text(errors="replace").splitlines()[-15:]) for file in files]
        return "\n".join("\n".join([f"--- {file.relative_to(self.folder)}", *lines]) for file, lines in ends)


@contextmanager
def standalone(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """Start it; at the end nothing of it is left."""
    port, page = free_port(), free_port()
    address = ["--host", "127.0.0.1"]
    started = [_start(folder, "master", f"{DEPLOY}.master.Master", *address, "--port", port, "--webui-port", page)]
    try:
        for number in range(workers):
            room = ["--cores", 1, "--memory", "1g", "--work-dir", folder / f"work-{number}", "--webui-port", 0]
            words = [f"{DEPLOY}.worker.Worker", *address, *room, f"spark://127.0.0.1:{port}"]
            started.append(_start(folder, f"worker-{number}", *words))
        cluster = Cluster(folder, port, page, tuple(started[1:]))
        cluster.wait_for(workers)
        yield cluster
    finally:
        for process in started:
            _kill_group(process)


def documented_properties(cluster: Cluster) -> str:
    """The properties of docs/cluster.md with this cluster's address and this machine's sizes."""
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    block = re.search(r"```\n# conf/spark/cluster.conf\n(.*?)```", page, re.DOTALL)
    assert block, "docs/cluster.md shows no conf/spark/cluster.conf"
    properties = dict(line.split(maxsplit=1) for line in block.group(1).splitlines())
    here = {
        "spark.master": cluster.master,
        "spark.executor.memory": "1g",
        "spark.executor.cores": "1",
        "spark.sql.shuffle.partitions": "2",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        # A few thousand rows: these two only make small tables faster.
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
    }
    return "".join(f"{key} {value}\n" for key, value in (properties | here).items())


def _start(folder: Path, name: str, *words: object) -> subprocess.Popen[bytes]:
    held = environment() | {"SPARK_LOCAL_DIRS": str(folder), "SPARK_DAEMON_MEMORY": "512m"}
    program = Path(sys.executable).with_name("spark-class")
    with (folder / f"{name}.log").open("wb") as log:
        # An executor belongs to its worker's process group.
        return subprocess.Popen(
            [str(program), *map(str, words)], env=held, stdout=log, stderr=log, start_new_session=True
        )


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
