"""Searching a catalogue by inner product, and keeping the index on disk with the catalogue it is for.

Shapes: Q queries, V items of the catalogue, D dimensions, k answers a query.

A folder holds `index.json` and the three files that it names. Their names carry their checksums, so a
file is never changed in place: replacing index.json moves a reader from one whole index to the next.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from mind.retrieval.catalogue import METRIC, Catalogue

_LAYOUT = 1
_DESCRIPTION = "index.json"
_FILES = {"index": "faiss", "vectors": "npy", "item_ids": "json"}


class IndexMismatch(ValueError):
    """The index is not the one that was asked for, or its files are not those that were written."""


class Index(Protocol):
    """Finds the items of one catalogue with the largest inner products."""

    @property
    def exact(self) -> bool:
        """True when search gives the k best up to rounding in float32; False when it may miss some."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the catalogue that was indexed."""

    def search(self, queries_QD: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores float32 [Q, k], best first, and positions int64 [Q, k], -1 where one is missing."""


class ExactIndex:
    """Every item is compared with every query (faiss.IndexFlatIP)."""

    exact = True

    def __init__(self, flat: Any, fingerprint: str) -> None:
        self.flat = flat
        self.fingerprint = fingerprint

    @classmethod
    def build(cls, catalogue: Catalogue) -> ExactIndex:
        """An index over the vectors of the catalogue; faiss keeps a copy of them (4 V D bytes)."""
        flat = faiss.IndexFlatIP(catalogue.dimension)
        flat.add(catalogue.vectors_VD)
        return cls(flat, catalogue.fingerprint)

    def search(self, queries_QD: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See `Index.search`. Raises ValueError for k outside 1 to V or queries that are not [Q, D]."""
        if not 1 <= k <= self.flat.ntotal:
            raise ValueError(f"k is {k}; it must be from 1 to the {self.flat.ntotal} items of the index")
        if queries_QD.ndim != 2 or queries_QD.shape[1] != self.flat.d:
            raise ValueError(f"queries have shape {queries_QD.shape}; the index needs [Q, {self.flat.d}]")
        scores_Qk, positions_Qk = self.flat.search(np.ascontiguousarray(queries_QD, dtype=np.float32), k)
        return scores_Qk, positions_Qk


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the reader of an index relies on. checksum: what `write` returned; None accepts any build."""

    model_version: str
    vocabulary: str
    dimension: int
    metric: str = METRIC
    checksum: str | None = None


def write(index: ExactIndex, catalogue: Catalogue, folder: Path) -> str:
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
        "index": _put(folder, "index", lambda path: faiss.write_index(index.flat, str(path))),
        "vectors": _put(folder, "vectors", lambda path: _save(path, catalogue)),
        "item_ids": _put(folder, "item_ids", lambda path: path.write_bytes(ids)),
    }
    description = {
        "layout": _LAYOUT,
        "kind": "exact",
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


def read(folder: Path, expected: Expected) -> tuple[ExactIndex, Catalogue]:
    """The index and the catalogue in folder, after every checksum has been compared.

    Raises FileNotFoundError when index.json or a file that it names is missing; IndexMismatch when
    metric, dimension, model version, vocabulary or checksum differ from what is expected, or when a file
    is damaged. faiss and numpy open nothing before all files agree with their checksums.
    """
    text = (folder / _DESCRIPTION).read_bytes()
    description = _description(folder, text)
    _check_expected(folder, text, description, expected)
    paths = {part: _checked_path(folder, part, description) for part in _FILES}
    catalogue = Catalogue(
        tuple(json.loads(paths["item_ids"].read_text(encoding="utf-8"))),
        np.load(paths["vectors"], allow_pickle=False),
        description["model_version"],
        description["vocabulary"],
    )
    flat = faiss.read_index(str(paths["index"]))
    found = (type(flat), flat.ntotal, catalogue.size, catalogue.dimension, catalogue.fingerprint)
    stated = (
        faiss.IndexFlatIP,
        catalogue.size,
        *(description[key] for key in ("count", "dimension", "catalogue")),
    )
    if found != stated or flat.d != catalogue.dimension or not _holds(flat, catalogue):
        raise IndexMismatch(f"the parts of the index in {folder} do not belong together; write it again")
    return ExactIndex(flat, catalogue.fingerprint), catalogue


def _holds(flat: Any, catalogue: Catalogue) -> bool:
    stored = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d)
    return bool(np.array_equal(stored, catalogue.vectors_VD.ravel()))


def _file_name(part: str, digest: str) -> str:
    return f"{part}.{digest[:16]}.{_FILES[part]}"


def _description(folder: Path, text: bytes) -> dict[str, Any]:
    try:
        description = json.loads(text)
        layout = description["layout"]
    except (ValueError, KeyError, TypeError) as fault:
        raise IndexMismatch(
            f"{folder / _DESCRIPTION} is no description of an index: {fault}; write it again"
        ) from fault
    if layout != _LAYOUT or description.get("kind") != "exact":
        raise IndexMismatch(
            f"{folder / _DESCRIPTION} has layout {layout!r} and kind {description.get('kind')!r}; "
            f"this version reads layout {_LAYOUT} and kind 'exact', so write the index again"
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
        os.replace(unfinished, folder / (_file_name(part, digest) if part in _FILES else part))
    finally:
        unfinished.unlink(missing_ok=True)
    return digest


def _save(path: Path, catalogue: Catalogue) -> None:
    with path.open("wb") as stream:  # given a path, numpy would add .npy to the name
        np.save(stream, catalogue.vectors_VD, allow_pickle=False)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
