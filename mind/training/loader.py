"""Tuples from Parquet into batches, by petastorm: every rank the same number of steps, every row exactly once.

Which file a rank reads, and in what order, depends on seed and epoch alone; rows are shuffled inside a pool.
petastorm's own shards are row groups modulo ranks, which leaves ranks uneven and hangs DDP, so files are dealt out
here and each is opened as a dataset of its own, with the dummy pool: the only one whose order can be repeated.

Shapes: B rows of a batch, L history length, P profile features, F item features, E next targets of a row.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mind.errors import BrokenPromise
from mind.tables import names as n
from mind.tables.manifest import Manifest, TupleFile

Columns = dict[str, NDArray[Any]]

TENSORS = (n.HISTORY, n.PROFILE, n.TARGET)
"""Columns of a training batch, beside the ages of `columns_of` and the next targets where the tuples have any."""


def columns_of(manifest: Manifest) -> tuple[str, ...]:
    """Columns that a model may take of these tuples: the ages too where there are any."""
    return (*TENSORS, n.HISTORY_AGES) if manifest.age_buckets else TENSORS


def read_file(file: TupleFile, columns: Sequence[str]) -> Iterator[Columns]:
    """The row groups of one file, in order, as arrays; lists are [rows, length].

    Raises:
        BrokenPromise: the file cannot be read, or has other rows than the manifest says.
    """
    with warnings.catch_warnings():
        # petastorm 0.12.1 warns about the pyarrow interface that it uses, on every reader.
        warnings.simplefilter("ignore")
        from petastorm import make_batch_reader

        logging.getLogger("petastorm").setLevel(logging.ERROR)
        rows = 0
        try:
            with make_batch_reader(
                # petastorm takes the escapes of a file's URL, a space in a folder's name, for letters of the name.
                unquote(file.url) if file.url.startswith("file://") else file.url,
                schema_fields=[f"^{name}$" for name in columns],
                reader_pool_type="dummy",
                shuffle_row_groups=False,
                num_epochs=1,
            ) as reader:
                for group in reader:
                    arrays = {name: getattr(group, name) for name in columns}
                    rows += len(arrays[columns[0]])
                    yield arrays
        except (OSError, pa.ArrowException) as error:
            raise BrokenPromise(f"{file.url} cannot be read: {error}; run build_tuples again") from error
    file.check_rows(rows)


def read_split(manifest: Manifest, split: str, columns: Sequence[str]) -> Columns:
    """A whole split as arrays, in the order of its files; for validation and test, which are small.

    Raises:
        BrokenPromise: rows are missing, or there are none.
    """
    manifest.need_rows(split)
    groups = [group for file in manifest.splits[split] for group in read_file(file, columns)]
    joined = {name: np.concatenate([group[name] for group in groups]) for name in columns}
    manifest.check_rows(split, len(joined[columns[0]]))
    return joined


def read_first(manifest: Manifest, split: str, columns: Sequence[str], rows: int) -> Columns:
    """The first rows of a split, or all where it has fewer; no file is opened that is not needed.

    Raises:
        BrokenPromise: a file cannot be read, or the split has no rows.
    """
    manifest.need_rows(split)
    groups: list[Columns] = []
    held = 0
    for group in (group for file in manifest.splits[split] for group in read_file(file, columns)):
        groups.append(group)
        held += len(group[columns[0]])
        if held >= rows:
            break
    return {name: np.concatenate([group[name] for group in groups])[:rows] for name in columns}


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The part of a global batch that this rank computes; it may be empty at the end of an epoch."""

    history_BL: NDArray[np.int32]
    profile_BP: NDArray[np.int32]
    target_BF: NDArray[np.int32]
    age_BL: NDArray[np.int8] | None = None
    """Buckets of the behaviours' ages, where the loader was asked for them."""
    next_BE: NDArray[np.int32] | None = None
    """Item indexes of the targets that follow, 0 after the end, where the tuples were built with them."""
    global_rows: int
    """Rows of all ranks in this step: the loss is a mean over them."""


class TupleLoader:
    """The training split for one rank.

    Args:
        manifest: names the files and their rows.
        rank, ranks: which part this is of how many.
        batch_size: rows of the global batch; a multiple of `ranks`.
        shuffle_rows: rows held to be shuffled together.
        seed: of the order.
        ages: read behaviours' ages too; the manifest must have them.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        rank: int,
        ranks: int,
        batch_size: int,
        shuffle_rows: int,
        seed: int,
        ages: bool = False,
    ) -> None:
        self._files = manifest.splits["train"]
        self._profile_features = len(manifest.profile_features)
        # A rank without a file still takes part in every step.
        widths = (manifest.history_length, self._profile_features, len(manifest.item_features))
        self._nothing: Columns = {
            name: np.zeros((0, width), dtype=np.int32) for name, width in zip(TENSORS, widths, strict=True)
        }
        if ages:
            self._nothing[n.HISTORY_AGES] = np.zeros((0, manifest.history_length), dtype=np.int8)
        if manifest.next_targets > 1:
            self._nothing[n.NEXT_TARGETS] = np.zeros((0, manifest.next_targets - 1), dtype=np.int32)
        self._columns = tuple(self._nothing)
        self._rank, self._ranks, self._seed = rank, ranks, seed
        self._rows_per_rank = batch_size // ranks
        self._shuffle_rows = max(shuffle_rows, self._rows_per_rank)

    def rows_of(self, epoch: int) -> list[int]:
        """Rows that each rank reads in the epoch."""
        return [sum(file.rows for file in self._dealt(epoch, rank)) for rank in range(self._ranks)]

    def steps(self, epoch: int) -> int:
        """Steps of the epoch, the same for every rank."""
        return -(-max(self.rows_of(epoch)) // self._rows_per_rank)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, `steps(epoch)` of them, or those from step `first` (from 0) on.

        What lies before is read again, as the pool must be shuffled in the same way, but not computed.
        """
        rows_of, size = self.rows_of(epoch), self._rows_per_rank
        parts = self._parts(epoch)
        for step in range(self.steps(epoch)):
            arrays = next(parts, None) or self._nothing
            if step < first:
                continue
            yield Batch(
                history_BL=arrays[n.HISTORY],
                profile_BP=arrays[n.PROFILE][:, : self._profile_features],
                target_BF=arrays[n.TARGET],
                age_BL=arrays.get(n.HISTORY_AGES),
                next_BE=arrays.get(n.NEXT_TARGETS),
                global_rows=sum(min(max(rows - step * size, 0), size) for rows in rows_of),
            )
        if next(parts, None) is not None:
            raise BrokenPromise(f"rank {self._rank} has rows left after the last step of epoch {epoch}")

    def _dealt(self, epoch: int, rank: int) -> list[TupleFile]:
        order = self._random("files", epoch).permutation(len(self._files))
        return [self._files[place] for place in order[rank :: self._ranks]]

    def _parts(self, epoch: int) -> Iterator[Columns]:
        """This rank's rows, shuffled, in batches; only the last may be smaller."""
        random = self._random("rows", epoch, self._rank)
        pool: list[Columns] = []
        held = 0
        for file in self._dealt(epoch, self._rank):
            for group in read_file(file, self._columns):
                pool.append(group)
                held += len(group[n.HISTORY])
                if held >= self._shuffle_rows:
                    *full, rest = self._cut(pool, random)
                    yield from full
                    pool, held = [rest], len(rest[n.HISTORY])
        if held:
            *full, rest = self._cut(pool, random)
            yield from full
            if len(rest[n.HISTORY]):
                yield rest

    def _cut(self, pool: list[Columns], random: np.random.Generator) -> list[Columns]:
        """The pool's rows in random order, in batches, and the rest (possibly none)."""
        joined = {name: np.concatenate([group[name] for group in pool]) for name in self._columns}
        rows = len(joined[n.HISTORY])
        order = random.permutation(rows)
        starts = range(0, rows - rows % self._rows_per_rank + 1, self._rows_per_rank)
        places = [order[start : start + self._rows_per_rank] for start in starts]
        return [{name: array[place] for name, array in joined.items()} for place in places]

    def _random(self, *what: object) -> np.random.Generator:
        digest = hashlib.sha256(f"{self._seed} {what}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "big"))
