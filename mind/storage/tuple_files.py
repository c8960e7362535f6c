"""Reading a night's tuples without Spark: the manifest and the catalogue beside it."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from mind.errors import BrokenPromise, MindError
from mind.storage.places import opened, reached, uri_of
from mind.tables.manifest import Manifest


def night_folder(root: str, ds: date) -> str:
    """The URI of a night's tuples."""
    return table_uri(root, f"tuples/ds={ds.isoformat()}")


def table_uri(root: str, name: str) -> str:
    """The URI of a folder in the lake."""
    return f"{uri_of(root).rstrip('/')}/{name}"


def read_manifest(root: str, ds: date) -> Manifest:
    """The manifest of the night.

    Raises:
        MindError: there is none, it is no manifest, or the store cannot be reached.
    """
    found = find_manifest(root, ds)
    if found is None:
        uri = _manifest(root, ds)
        raise MindError(f"no tuples for {ds}: {uri} does not exist; run build_tuples --ds {ds} first")
    return found


def find_manifest(root: str, ds: date) -> Manifest | None:
    """The manifest of the night; None where it made no tuples, as a night that keeps its champion need not.

    Raises:
        MindError: what is there is no manifest, or the store cannot be reached.
    """
    uri = _manifest(root, ds)
    system, path = opened(uri)
    try:
        with reached(uri), system.open_input_stream(path) as stream:
            return Manifest.model_validate(json.loads(stream.read()))
    except FileNotFoundError:
        return None
    except (ValueError, ValidationError) as error:
        raise MindError(f"{uri} is no manifest ({error}); run build_tuples --ds {ds} again") from error


def _manifest(root: str, ds: date) -> str:
    return f"{night_folder(root, ds)}/manifest.json"


def told_tuples(root: str, ds: date) -> tuple[dict[str, int], dict[str, Any]]:
    """Rows of each split of the night's tuples, and where its targets went; both empty where it made none."""
    found = find_manifest(root, ds)
    if found is None:
        return {}, {}
    return {split: found.rows(split) for split in found.splits}, dict(found.facts["targets"])


def read_catalogue(manifest: Manifest) -> pa.Table:
    """The catalogue of the tuples, ordered by item index.

    Raises:
        BrokenPromise: it has other rows than the manifest says.
        MindError: the store cannot be reached.
    """
    tables = []
    for file in manifest.catalogue:
        system, path = opened(file.url)
        with reached(file.url):
            table = pq.read_table(path, filesystem=system, partitioning=None)
        if table.num_rows != file.rows:
            raise BrokenPromise(
                f"{file.url} has {table.num_rows} rows, the manifest of {manifest.ds} says {file.rows}; "
                f"run build_tuples --ds {manifest.ds} again"
            )
        tables.append(table)
    return pa.concat_tables(tables).sort_by("item_index")
