"""An Airflow of its own for a test: scheduler, DAG processor and API server, with all their files in one folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.airflow_dags.test_wiring import AIRFLOW, variables

SERVICES = ("api-server", "scheduler", "dag-processor")
PATIENCE_S = 1500
"""No run of the small night takes half of it; it bounds what hangs."""
OVER = ("success", "failed")


@dataclass(frozen=True)
class Airflow:
    """A running Airflow, asked through its API as its own page asks it."""

    home: Path
    port: int
    held: Mapping[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    """Its services, by name."""

    def start(self, name: str) -> None:
        """Start a service; what it prints is added to the file of its name."""
        with (self.home / f"{name}.log").open("ab") as log:
            words = [AIRFLOW / "airflow", name]
            self.running[name] = subprocess.Popen(words, stdout=log, stderr=log, env=self.held, start_new_session=True)

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """A service ends as an operator ends it, and is started again afterwards."""
        self.running[name].terminate()
        with suppress(subprocess.TimeoutExpired):
            self.running[name].wait(timeout=20)
        _kill_all_of(self.running[name].pid)
        self.running[name].wait()
        yield
        self.start(name)

    def command(self, *words: str) -> str:
        """Run `airflow ...` to its end; what it printed."""
        done = subprocess.run([AIRFLOW / "airflow", *words], capture_output=True, text=True, check=False, env=self.held)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request to the API; its answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if not path.startswith("/auth"):
            request.add_header("Authorization", f"Bearer {self._token}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    @cached_property
    def _token(self) -> str:
        """Good for a day."""
        return str(self.ask("GET", "/auth/token")["access_token"])

    def runs(self, dag_id: str, kind: str) -> dict[str, dict[str, Any]]:
        """The runs of one kind (manual, scheduled, backfill), by their id."""
        found = self.ask("GET", f"/api/v2/dags/{dag_id}/dagRuns?run_type={kind}")["dag_runs"]
        return {run["dag_run_id"]: run for run in found}

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """The tasks of a run, by their id."""
        found = self.ask("GET", f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances")
        return {task["task_id"]: task for task in found["task_instances"]}

    def wait(self, what: str, found: Callable[[], bool]) -> None:
        """Look again until it is so; fails with the ends of all logs after PATIENCE_S."""
        until = time.monotonic() + PATIENCE_S
        while not found():
            assert time.monotonic() < until, f"{what}: not within {PATIENCE_S} s\n{self.logs()}"
            time.sleep(1)

    def wait_for_success(self, dag_id: str, kind: str) -> None:
        """Until every run of this kind is over; fails with the logs unless each succeeded."""
        self.wait(f"{kind} runs", lambda: all(run["state"] in OVER for run in self.runs(dag_id, kind).values()))
        states = {name: run["state"] for name, run in self.runs(dag_id, kind).items()}
        assert set(states.values()) == {"success"}, f"{states}\n{self.logs()}"

    def logs(self) -> str:
        """The last lines of what the services printed and of each try of each task, the newest last."""
        files = [file for file in self.home.rglob("*.log") if "dag_processor" not in file.parts]
        ends = []
        for file in sorted(files, key=lambda file: file.stat().st_mtime):
            lines = file.read_text(errors="replace").splitlines()
            ends.append("\n".join([f"--- {file.relative_to(self.home)}", *lines[-25:]]))
        return "\n".join(ends)


@contextmanager
def airflow(home: Path, **more: str) -> Iterator[Airflow]:
    """Start it; at the end nothing of it is left.

    Args:
        more: variables of the environment for all of its processes.
    """
    ports = free_ports(2)
    held = variables(
        home,
        PATH=os.pathsep.join([str(AIRFLOW), os.environ["PATH"]]),
        AIRFLOW__LOGGING__LOGGING_LEVEL="INFO",
        # Five processes write into one file; on a busy machine one waits longer than SQLite's five seconds for another.
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{home}/airflow.db?timeout=300",
        AIRFLOW__API__PORT=str(ports[0]),
        AIRFLOW__API__WORKERS="1",
        AIRFLOW__API_AUTH__JWT_SECRET="only for the time of this test, and long enough for its hash",
        AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"http://127.0.0.1:{ports[0]}/execution/",
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="True",
        AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT=str(ports[1]),
        # A machine that stands still for some minutes has lost neither its tasks nor its scheduler.
        AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT=str(PATIENCE_S),
        AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD=str(PATIENCE_S),
        **more,
    )
    made = Airflow(home, ports[0], held)
    made.command("db", "migrate")
    try:
        for name in SERVICES:
            made.start(name)
        made.wait("services", lambda: _answers(made))
        yield made
    finally:
        for service in made.running.values():
            _kill_all_of(service.pid)
            service.wait()


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _answers(made: Airflow) -> bool:
    """Whether the API server answers and the scheduler and the DAG processor work."""
    ended = [name for name, service in made.running.items() if service.poll() is not None]
    assert not ended, f"{ended} ended\n{made.logs()}"
    with suppress(OSError):
        health = made.ask("GET", "/api/v2/monitor/health")
        return all(health[name]["status"] == "healthy" for name in ("scheduler", "dag_processor"))
    return False


def _children() -> dict[int, list[int]]:
    """The processes of this machine by the number of their parent."""
    found: dict[int, list[int]] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(file.read_text().rpartition(")")[2].split()[1])
            found.setdefault(parent, []).append(int(file.parent.name))
    return found


def _kill_all_of(pid: int) -> None:
    """kill -9 a process and all that it started, and what they started: tasks begin sessions of their own."""
    tree, of = [pid], _children()
    for one in tree:
        tree.extend(of.get(one, []))
    for one in tree:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
