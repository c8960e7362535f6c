"""A Delta table read without Spark: its log is JSON commits and Parquet checkpoints, its data are Parquet files.

For small tables and quick questions (what is published, is it fresh). What this reader does not know it refuses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as fs
import pyarrow.parquet as pq

from mind.errors import BrokenPromise, MindError
from mind.storage.places import opened, reached
from mind.storage.tuple_files import table_uri
from mind.tables import Contract

KNOWN_FEATURES = {"timestampNtz", "vacuumProtocolCheck"}
"""Reader features that change nothing for a reader of whole files."""
_COMMIT = re.compile(r"^(\d{20})\.json$")
_CHECKPOINT = re.compile(r"^(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet$")
Action = dict[str, Any]


class NoTable(MindError):
    """No commit of a Delta table lies at the path."""


def read_plainly(root: str, contract: Contract) -> pa.Table:
    """The rows of the table as readers see it now, in the contract's columns.

    Raises:
        NoTable: the table does not exist.
        MindError: it uses a feature of Delta that only Spark reads here, or lies in a store that cannot be reached.
        BrokenPromise: its log has a hole.
    """
    uri = table_uri(root, contract.name)
    with reached(uri):
        return _read(uri, contract)


def _read(uri: str, contract: Contract) -> pa.Table:
    system, path = opened(uri)
    live: dict[str, Action] = {}
    for action in _actions(system, path, uri):
        if "add" in action:
            live[action["add"]["path"]] = _whole(action["add"], uri)
        elif "remove" in action:
            live.pop(action["remove"]["path"], None)
        elif "protocol" in action:
            _check_protocol(action["protocol"], uri)
        elif "metaData" in action and dict(action["metaData"].get("configuration") or {}).get(
            "delta.columnMapping.mode"
        ):
            raise MindError(f"{uri} maps its columns to other names; read it with Spark")
    schema = contract.schema()
    tables = [_rows(system, path, add, contract, schema) for add in live.values()]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _actions(system: fs.FileSystem, path: str, uri: str) -> Iterator[Action]:
    """Every action since and including the last whole checkpoint, oldest first."""
    log = f"{path}/_delta_log"
    names = [info.base_name for info in system.get_file_info(fs.FileSelector(log, allow_not_found=True))]
    commits = {int(found[1]): name for name in names if (found := _COMMIT.match(name))}
    if not commits:
        raise NoTable(f"there is no Delta table at {uri}")
    parts: dict[tuple[int, int], list[str]] = {}
    for name in names:
        if found := _CHECKPOINT.match(name):
            parts.setdefault((int(found[1]), int(found[3] or 1)), []).append(name)
    whole = [(version, held) for (version, count), held in parts.items() if len(held) == count]
    start, files = max(whole, default=(-1, []))
    for name in sorted(files):
        yield from _checkpoint(system, f"{log}/{name}")
    for version in range(start + 1, max(commits) + 1):
        if version not in commits:
            raise BrokenPromise(f"the log of {uri} has no commit {version}; restore the file or read an older copy")
        with system.open_input_stream(f"{log}/{commits[version]}") as stream:
            yield from (json.loads(line) for line in stream.read().splitlines() if line.strip())


def _checkpoint(system: fs.FileSystem, path: str) -> Iterator[Action]:
    held = pq.ParquetFile(system.open_input_file(path))
    wanted = [name for name in ("protocol", "metaData", "add") if name in held.schema_arrow.names]
    for row in held.read(columns=wanted).to_pylist():
        for name, action in row.items():
            if action is not None and (name != "add" or action.get("path") is not None):
                yield {name: action}


def _check_protocol(protocol: Action, uri: str) -> None:
    unknown = set(protocol.get("readerFeatures") or []) - KNOWN_FEATURES
    version = protocol.get("minReaderVersion") or 1
    if unknown or version == 2:
        raise MindError(f"{uri} uses {', '.join(sorted(unknown)) or 'column mapping'}; read it with Spark")


def _whole(add: Action, uri: str) -> Action:
    if add.get("deletionVector"):
        raise MindError(f"{uri} uses deletion vectors; read it with Spark")
    return add


def _rows(system: fs.FileSystem, path: str, add: Action, contract: Contract, schema: pa.Schema) -> pa.Table:
    """One file's rows; the values of partition columns stand in the log and not in the file."""
    file = pq.ParquetFile(system.open_input_file(f"{path}/{unquote(add['path'])}"))
    table = file.read()
    held = dict(add["partitionValues"] or {})
    columns = []
    for field in schema:
        if field.name in contract.partition:
            value = pa.scalar(held[field.name], pa.string())
            columns.append(pc.cast(pa.array([value.as_py()] * table.num_rows, pa.string()), field.type))
        else:
            columns.append(table[field.name].cast(field.type))
    return pa.table(columns, schema=schema)
