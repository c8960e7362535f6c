"""Who may import whom, read from the source alone; and that importing is silent and cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MIND = sorted((ROOT / "mind").rglob("*.py"))
JOBS = sorted((ROOT / "jobs").glob("*.py"))

ROOMS = {
    # room: (packages of others, parts of ours); its own room is always allowed
    "mind.errors": (set(), set()),
    "mind.preflight": (set(), set()),
    "mind.generated": (set(), set()),
    "mind.sections": ({"pydantic"}, {"mind.errors"}),
    "mind.operating": ({"pydantic"}, {"mind.errors", "mind.sections"}),
    "mind.recommending": ({"pydantic"}, {"mind.errors", "mind.sections"}),
    "mind.config": ({"pydantic"}, {"mind.errors", "mind.sections", "mind.operating", "mind.recommending"}),
    "mind.source": ({"pydantic"}, {"mind.errors", "mind.sections"}),
    "mind.moments": ({"pyspark"}, {"mind.errors", "mind.source"}),
    "mind.redaction": (set(), set()),
    "mind.run_log": (set(), {"mind.redaction"}),
    "mind.steps": (set(), set()),
    "mind.launch": (
        set(),
        {"mind.preflight", "mind.config", "mind.errors", "mind.redaction", "mind.run_log", "mind.steps"},
    ),
    "mind.tables": ({"pyarrow", "pydantic"}, {"mind.errors", "mind.generated"}),
    "mind.behaviours": ({"pyspark"}, {"mind.config", "mind.moments", "mind.source", "mind.tables", "mind.errors"}),
    "mind.features": ({"pyspark", "numpy"}, {"mind.source", "mind.tables", "mind.errors"}),
    "mind.tuples": (
        {"pyspark"},
        {"mind.config", "mind.source", "mind.tables", "mind.errors", "mind.features", "mind.behaviours"},
    ),
    "mind.baselines": ({"pyspark", "numpy"}, {"mind.config", "mind.source", "mind.tables", "mind.errors"}),
    "mind.model": ({"torch", "safetensors"}, set()),
    "mind.retrieval": ({"numpy", "faiss", "numba", "llvmlite"}, set()),
    "mind.evaluation": ({"numpy"}, set()),
    "mind.storage": (
        {"pyspark", "delta", "pyarrow", "pydantic"},
        {"mind.moments", "mind.tables", "mind.source", "mind.errors"},
    ),
}
EXCEPTIONS = {"mind.storage.jars": {"mind.launch", "mind.preflight"}}

NEVER = {
    # room: what nothing that it imports of ours, however indirectly, may import
    "mind.errors": {"pyspark", "torch", "mlflow"},
    "mind.preflight": {"pyspark", "torch", "mlflow"},
    "mind.config": {"pyspark", "torch", "mlflow"},
    "mind.launch": {"pyspark", "torch", "mlflow"},
    "mind.cli": {"pyspark", "torch", "mlflow", "delta"},
    "mind.tables": {"pyspark", "torch", "mlflow"},
    "mind.behaviours": {"torch", "delta", "mind.storage"},
    "mind.features": {"torch", "delta", "mind.storage"},
    "mind.tuples": {"torch", "delta", "mind.storage"},
    "mind.baselines": {"torch", "delta", "mind.storage"},
    "mind.training": {"pyspark", "delta", "mind.storage"},
    "mind.tracking": {"pyspark", "torch"},
    "mind.retrieval": {"pyspark", "torch"},
    "mind.evaluation": {"mind.storage", "mind.tracking"},
}


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in MIND}


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


@cache
def imports_of(file: Path) -> frozenset[str]:
    """Every module that the file imports, in functions too; not what only a type checker sees."""
    found: set[str] = set()
    _collect(ast.parse(file.read_text(encoding="utf-8")), found)
    return frozenset(found)


def _collect(node: ast.AST, found: set[str]) -> None:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        found.update(name.name for name in node.names)
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports hide the room they reach into"
        assert node.module is not None
        for name in node.names:
            whole = f"{node.module}.{name.name}"
            found.add(whole if whole in MODULES else node.module)
    for child in ast.iter_child_nodes(node):
        _collect(child, found)


def others(file: Path) -> set[str]:
    """The packages of others, without the standard library; py4j is Spark's bridge, so it counts as Spark."""
    found = {name.split(".")[0] for name in imports_of(file)} - set(sys.stdlib_module_names) - {"mind", "__future__"}
    return {"pyspark" if name == "py4j" else name for name in found}


def ours(module: str) -> set[str]:
    """The modules of ours that this one imports, and the packages that Python opens on the way."""
    found = {name for name in imports_of(MODULES[module]) if name.split(".")[0] == "mind"}
    parents = {".".join(name.split(".")[:depth]) for name in (*found, module) for depth in (1, 2)}
    return (found | parents) & set(MODULES)


def closure(module: str) -> set[str]:
    seen, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += ours(name)
    return seen


def in_room(room: str) -> list[str]:
    return [name for name in MODULES if name == room or name.startswith(f"{room}.")]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_the_house_allows(room: str) -> None:
    packages, parts = ROOMS[room]
    assert in_room(room), f"{room} is gone; change the table"
    for module in in_room(room):
        allowed = {room, "mind", *parts, *EXCEPTIONS.get(module, set())}
        assert others(MODULES[module]) <= packages, module
        assert {room_of(name) for name in ours(module)} <= allowed, module


@pytest.mark.parametrize("room", NEVER)
def test_nothing_that_a_room_reaches_imports_what_it_may_never_touch(room: str) -> None:
    assert in_room(room), f"{room} is gone; change the table"
    for module in in_room(room):
        for reached in closure(module):
            touched = others(MODULES[reached]) | {room_of(name) for name in ours(reached)}
            assert not touched & NEVER[room], f"{module} reaches {touched & NEVER[room]} by way of {reached}"


def test_only_storage_knows_delta() -> None:
    knows = {room_of(module) for module, file in MODULES.items() if "delta" in others(file)}
    assert knows == {"mind.storage"}
    assert not [job.name for job in JOBS if "delta" in others(job)]


def test_torch_and_spark_meet_in_serving_alone() -> None:
    packages: dict[str, set[str]] = {}
    for module, file in MODULES.items():
        packages.setdefault(room_of(module), set()).update(others(file))
    assert {room for room, found in packages.items() if {"torch", "pyspark"} <= found} == {"mind.serving"}


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_a_job_is_one_main_on_one_screen_that_imports_mind_alone(job: Path) -> None:
    text = job.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80
    assert not others(job)
    assert not {name for name in imports_of(job) if name.split(".")[0] == "jobs"}
    defined = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert [node.name for node in defined] == ["main"]


@pytest.mark.parametrize("module", MODULES)
def test_a_file_of_mind_has_at_most_250_lines(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 250


def test_no_file_is_named_after_nothing() -> None:
    files = [*MIND, *JOBS, *(ROOT / "tests").rglob("*.py")]
    nameless = {"utils", "util", "common", "helpers", "helper", "misc"}
    assert not [file for file in files if file.stem.removeprefix("test_") in nameless]


def in_a_fresh_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


HEAVY = {"pyspark", "torch", "mlflow", "faiss", "numba", "pandas"}


@pytest.mark.parametrize(
    ("module", "loads"),
    [
        *((name, set()) for name in ("mind.launch", "mind.config", "mind.tables", "mind.cli")),
        ("mind.retrieval", {"faiss"}),
    ],
)
def test_importing_it_loads_nothing_heavy_that_it_may_not_need(module: str, loads: set[str]) -> None:
    code = f"import sys, {module}; assert not {HEAVY - loads} & set(sys.modules)"
    assert in_a_fresh_process(code) == ""


def test_importing_everything_is_silent_and_starts_nothing() -> None:
    code = f"""
import importlib, pathlib
for name in {sorted(MODULES)!r}:
    importlib.import_module(name)
from pyspark import SparkContext
assert SparkContext._active_spark_context is None and SparkContext._gateway is None
tasks = pathlib.Path('/proc/self/task').iterdir()
children = [child for task in tasks for child in (task / 'children').read_text().split()]
assert not children, children
"""
    assert in_a_fresh_process(code) == ""
