"""Tuples of a lake that petastorm cannot open: copied once a node into a scratch folder, and swept when nobody reads.

Two kinds of locks, both of which the system takes back from a process that is killed: who copies or sweeps holds the
scratch folder's, and who reads holds a share of its night's. Ranks of one node wait for the first of them, which
copies; the last one to leave takes the copies away, and what a killed process left goes with the next run.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs as fs
import pyarrow.parquet as pq

from mind.errors import BrokenPromise
from mind.storage.places import opened, reached
from mind.tables.manifest import Manifest, TupleFile

log = logging.getLogger("mind")

READ_IN_PLACE = ("file", "hdfs")
"""Schemes that petastorm opens itself."""
AT_ONCE = 4
"""Files copied at the same time."""
CHUNK = 32 * 2**20
"""Bytes asked for at once."""


@contextmanager
def near(manifest: Manifest, scratch: str, *splits: str) -> Iterator[Manifest]:
    """The manifest with those splits where this node can read them: as it is, or naming copies that live so long.

    Args:
        scratch: folder of this node; it is made, and holds nothing afterwards but a lock.

    Raises:
        MindError: the store cannot be reached.
        BrokenPromise: a file is missing or has other rows than the manifest says.
    """
    files = [file for split in splits for file in manifest.splits[split]]
    if all(urlsplit(file.url).scheme in READ_IN_PLACE for file in files):
        yield manifest
        return
    root = Path(scratch).resolve()
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"tuples-{manifest.ds}-{hashlib.sha256(manifest.model_dump_json().encode()).hexdigest()[:16]}"
    try:
        with ExitStack() as reading:
            with _locked(root / "copying", fcntl.LOCK_EX):
                folder.mkdir(exist_ok=True)
                reading.enter_context(_locked(folder / "in-use", fcntl.LOCK_SH))
                _sweep(root)
                copies = {split: copied(manifest.splits[split], folder / split) for split in splits}
            yield manifest.model_copy(update={"splits": manifest.splits | copies})
    finally:
        with _locked(root / "copying", fcntl.LOCK_EX):
            _sweep(root)


def copied(files: list[TupleFile], folder: Path) -> list[TupleFile]:
    """The files as copies in `folder`, in their order; those that are there already are not copied again.

    Raises:
        MindError: the store cannot be reached.
        BrokenPromise: a file is missing or has other rows than the manifest says.
    """
    folder.mkdir(exist_ok=True)
    places = [folder / f"part-{number:05}.parquet" for number in range(len(files))]
    due = [(file, place) for file, place in zip(files, places, strict=True) if not place.exists()]
    if due:
        log.info("copying %s rows in %d files to %s", f"{sum(file.rows for file, _ in due):,}", len(due), folder)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda pair: _copy(*pair), due))
    return [TupleFile(url=place.as_uri(), rows=file.rows) for file, place in zip(files, places, strict=True)]


def _copy(file: TupleFile, place: Path) -> None:
    """Whole or not at all: what a killed process left of a copy has another name."""
    system, path = opened(file.url)
    part = place.with_suffix(".part")
    remedy = "run build_tuples again"
    try:
        with reached(file.url):
            fs.copy_files(path, str(part), system, fs.LocalFileSystem(), chunk_size=CHUNK, use_threads=False)
        rows = pq.read_metadata(part).num_rows
    except FileNotFoundError as error:
        raise BrokenPromise(f"{file.url} is not there, and the manifest names it; {remedy}") from error
    except pa.ArrowException as error:
        raise BrokenPromise(f"{file.url} cannot be read: {error}; {remedy}") from error
    if rows != file.rows:
        raise BrokenPromise(f"{file.url} has {rows} rows, the manifest has {file.rows}; {remedy}")
    part.replace(place)


def _sweep(root: Path) -> None:
    """Remove the copies that no process reads; the caller holds the lock of `root`."""
    for mark in list(root.glob("tuples-*/in-use")):
        with mark.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(mark.parent)


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[None]:
    """Hold a lock of a file, which is made, and wait for it."""
    with path.open("a+") as file:
        fcntl.flock(file, kind)
        yield
