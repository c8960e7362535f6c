"""What an index promises, and how it is kept on disk with the catalogue that it is for.

Shapes: V items of the catalogue, D dimensions.

A folder holds `index.json` and the files that it names. Their names carry their checksums, so a file is
never changed in place: replacing index.json moves a reader from one whole index to the next.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mind.retrieval.catalogue import METRIC, Catalogue
from mind.retrieval.exact import ExactIndex
from mind.retrieval.hnsw import HnswIndex
from mind.retrieval.ivf import IvfIndex
from mind.retrieval.request import Request

_LAYOUT = 2
_DESCRIPTION = "index.json"
_PARTS: dict[str, tuple[str, ...]] = {"exact": (), "ivf": IvfIndex.PARTS, "hnsw": HnswIndex.PARTS}


class IndexMismatch(ValueError):
    """The index is not the one that was asked for, or its files are not those that were written."""


class Index(Protocol):
    """Finds the items of one catalogue with the largest inner products."""

    @property
    def kind(self) -> str:
        """exact, ivf or hnsw."""

    @property
    def exact(self) -> bool:
        """True when a shortlist is proven to hold the best; False when it may miss some."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the catalogue that was indexed."""

    def shortlist(self, requests: Sequence[Request]) -> list[NDArray[np.int64]]:
        """For each request positions, int64, ascending and unique, at least `wanted` of them.

        Among them are the `wanted` best items of the user: all of them if the index is exact, most of them
        if not. What is found for a user does not depend on the other requests.
        """


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the reader of an index relies on. checksum: what `write` returned; None accepts any build."""

    model_version: str
    vocabulary: str
    dimension: int
    metric: str = METRIC
    checksum: str | None = None


def write(index: ExactIndex | IvfIndex | HnswIndex, catalogue: Catalogue, folder: Path) -> str:
    """Writes index and catalogue into folder and returns the checksum (sha256, hex) of the whole.

    Same content, same bytes: to write again after a crash, or twice at once, gives one result. index.json
    comes last, by a rename; files of an earlier index in the folder stay, for those who still read it.
    Raises IndexMismatch when the index was built from another catalogue.
    """
    if index.fingerprint != catalogue.fingerprint:
        raise IndexMismatch(
            f"the index is over catalogue {index.fingerprint}, not {catalogue.fingerprint}; build it again"
        )
    folder.mkdir(parents=True, exist_ok=True)
    ids = json.dumps(catalogue.item_ids, ensure_ascii=False).encode("utf-8")
    digests = {
        "item_ids": _put(folder, "item_ids", lambda path: path.write_bytes(ids)),
        "vectors": _put(folder, "vectors", lambda path: _save(path, catalogue.vectors_VD)),
    }
    reach = None
    if not isinstance(index, ExactIndex):
        reach = index.reach
        for part in _PARTS[index.kind]:
            digests[part] = _put(folder, part, partial(_save, array=index.arrays[part]))
    description = {
        "layout": _LAYOUT,
        "kind": index.kind,
        "reach": reach,
        "metric": METRIC,
        "dimension": catalogue.dimension,
        "count": catalogue.size,
        "model_version": catalogue.model_version,
        "vocabulary": catalogue.vocabulary,
        "catalogue": catalogue.fingerprint,
        "files": {part: {"name": _file_name(part, digest), "sha256": digest} for part, digest in digests.items()},
    }
    text = json.dumps(description, ensure_ascii=False, indent=2, sort_keys=True).encode("utf-8")
    return _put(folder, _DESCRIPTION, lambda path: path.write_bytes(text))


def read(folder: Path, expected: Expected) -> tuple[Index, Catalogue]:
    """The index and the catalogue in folder, after every checksum has been compared.

    The arrays are mapped, not copied, so processes of one machine share them, and they may be larger than
    its memory.

    Raises FileNotFoundError when index.json or a file that it names is missing; IndexMismatch when
    metric, dimension, model version, vocabulary or checksum differ from what is expected, or when a file
    is damaged. faiss and numpy open nothing before all files agree with their checksums.
    """
    text = (folder / _DESCRIPTION).read_bytes()
    description = _description(folder, text)
    _check_expected(folder, text, description, expected)
    parts = ("item_ids", "vectors", *_PARTS[description["kind"]])
    paths = {part: _checked_path(folder, part, description) for part in parts}
    catalogue = Catalogue(
        tuple(json.loads(paths.pop("item_ids").read_text(encoding="utf-8"))),
        np.load(paths.pop("vectors"), mmap_mode="r", allow_pickle=False),
        description["model_version"],
        description["vocabulary"],
    )
    stated = tuple(description[key] for key in ("count", "dimension", "catalogue"))
    if (catalogue.size, catalogue.dimension, catalogue.fingerprint) != stated:
        raise IndexMismatch(f"the parts of the index in {folder} do not belong together; write it again")
    if description["kind"] == "exact":
        return ExactIndex(catalogue), catalogue
    arrays = {part: np.load(path, mmap_mode="r", allow_pickle=False) for part, path in paths.items()}
    reach = float(description["reach"])
    index = (
        IvfIndex(arrays, catalogue.fingerprint, reach)
        if description["kind"] == "ivf"
        else HnswIndex(arrays, catalogue, reach)
    )
    # The checksum of the whole, where it was given, has proven that already.
    if expected.checksum is None and not index.belongs(catalogue):
        raise IndexMismatch(f"the parts of the index in {folder} do not belong together; write it again")
    return index, catalogue


def _file_name(part: str, digest: str) -> str:
    return f"{part}.{digest[:16]}.{'json' if part == 'item_ids' else 'npy'}"


def _description(folder: Path, text: bytes) -> dict[str, Any]:
    try:
        description = json.loads(text)
        layout = description["layout"]
    except (ValueError, KeyError, TypeError) as fault:
        raise IndexMismatch(
            f"{folder / _DESCRIPTION} is no description of an index: {fault}; write it again"
        ) from fault
    if layout != _LAYOUT or description.get("kind") not in _PARTS:
        raise IndexMismatch(
            f"{folder / _DESCRIPTION} has layout {layout!r} and kind {description.get('kind')!r}; "
            f"this version reads layout {_LAYOUT} and kind {', '.join(_PARTS)}, so write the index again"
        )
    return dict(description)


def _check_expected(folder: Path, text: bytes, description: dict[str, Any], expected: Expected) -> None:
    stated = {
        key: (description.get(key), getattr(expected, key))
        for key in ("metric", "dimension", "model_version", "vocabulary")
    }
    if expected.checksum is not None:
        stated["checksum"] = (hashlib.sha256(text).hexdigest(), expected.checksum)
    faults = [f"{key} is {found!r}, expected {wanted!r}" for key, (found, wanted) in stated.items() if found != wanted]
    if faults:
        raise IndexMismatch(
            f"the index in {folder} is another one: {'; '.join(faults)}; "
            "write the index again from the model in use, or ask for the model that it was built from"
        )


def _checked_path(folder: Path, part: str, description: dict[str, Any]) -> Path:
    # The name is derived, never taken from the file, so a changed description cannot lead elsewhere.
    try:
        digest = str(description["files"][part]["sha256"])
    except (KeyError, TypeError) as fault:
        raise IndexMismatch(f"{folder / _DESCRIPTION} names no sha256 for {part!r}; write the index again") from fault
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise IndexMismatch(f"the sha256 of {part!r} in {folder / _DESCRIPTION} is {digest!r}; write the index again")
    path = folder / _file_name(part, digest)
    found = _sha256(path)
    if found != digest:
        raise IndexMismatch(f"{path} is damaged: its sha256 is {found}, not {digest}; write the index again")
    return path


def _put(folder: Path, part: str, fill: Callable[[Path], object]) -> str:
    # A reader sees the whole file or none: filled under another name, flushed, then renamed. Filled on
    # disk, since a catalogue and its index are too large to be held in memory once more.
    unfinished = folder / f".unfinished-{uuid.uuid4().hex}"
    try:
        fill(unfinished)
        with unfinished.open("rb") as stream:
            os.fsync(stream.fileno())
        digest = _sha256(unfinished)
        os.replace(unfinished, folder / (part if part == _DESCRIPTION else _file_name(part, digest)))
    finally:
        unfinished.unlink(missing_ok=True)
    return digest


def _save(path: Path, array: NDArray[Any]) -> None:
    with path.open("wb") as stream:  # given a path, numpy would add .npy to the name
        np.save(stream, array, allow_pickle=False)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
