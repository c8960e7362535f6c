"""The tuples of one small night on disk, written without Spark, and a configuration for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow.tracking import MlflowClient

from mind.config import Config
from mind.tables import CATALOGUE, TUPLES
from mind.tables import names as n
from mind.tables.manifest import Manifest, TupleFile
from mind.tables.tuples import AGE_BUCKETS
from mind.tracking.registry import Registry

DS = date(2011, 12, 8)
ITEMS = 40
HISTORY_LENGTH = 6
HISTORY_DAYS = 77
ROWS = (90, 61)
"""Training rows of the two files. In batches of 32 a rank: 32, 32, 26 beside 32, 29, 0."""
COLOURS = 5
COUNTRIES = 4

CONFIG = """
[lake]
root = "{folder}/lake"

[tuples]
files = 2

[model]
dimension = 8
interests = 3
hidden_sizes = [12]

[training]
epochs = 2
batch_size = 64
negatives = 30
learning_rate = 0.01
checkpoints = "{folder}/checkpoints"
threads_per_process = 1

[evaluation]
cutoffs = [5, 10]
main_cutoff = 5

[tracking]
uri = "sqlite:///{folder}/mlflow.db"
artifacts = "{folder}/artifacts"
"""


def write_file(
    path: Path,
    history: Sequence[list[int]],
    profile: Sequence[list[int]],
    target: Sequence[list[int]],
    group: int = 7,
    ages: Sequence[list[int]] | None = None,
    following: Sequence[list[int]] | None = None,
) -> TupleFile:
    """One Parquet file with the columns that training and evaluation read; users are u0, u1, u2 in turn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    codes = pa.list_(pa.int32())
    columns = {
        n.USER_ID: pa.array([f"u{row % 3}" for row in range(len(history))]),
        n.HISTORY: pa.array(history, codes),
        n.PROFILE: pa.array(profile, codes),
        n.TARGET: pa.array(target, codes),
    }
    if ages is not None:
        columns[n.HISTORY_AGES] = pa.array(ages, pa.list_(pa.int8()))
    if following is not None:
        columns[n.NEXT_TARGETS] = pa.array(following, codes)
    for name, column in columns.items():
        assert column.type == next(held.type for held in (*TUPLES.columns, *TUPLES.optional) if held.name == name)
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return TupleFile(url=path.as_uri(), rows=len(history))


def numbered(
    folder: Path, rows_of_files: Sequence[int], features: int = 1, with_ages: bool = False, next_targets: int = 1
) -> list[TupleFile]:
    """Files whose rows are numbered from 0 on, in history, profile (if it has features), target, ages and next targets
    alike."""
    files, first = [], 0
    for place, rows in enumerate(rows_of_files):
        numbers = range(first, first + rows)
        lists = [[number, -number] for number in numbers]
        profile = [[number] * features for number in numbers]
        ages = [[number % 24 + 1] * 2 for number in numbers] if with_ages else None
        targets = [[number] for number in numbers]
        after = [[number + step for step in range(1, next_targets)] for number in numbers] if next_targets > 1 else None
        path = folder / f"part-{place}.parquet"
        files.append(write_file(path, lists, profile, targets, ages=ages, following=after))
        first += rows
    return files


def manifest_of(train: list[TupleFile], **more: object) -> Manifest:
    """A manifest for `numbered` files."""
    facts: dict[str, object] = {
        "ds": DS.isoformat(),
        "content": "1-0/1-0",
        "history_length": 2,
        "item_features": {n.ITEM_ID: 1000},
        "profile_features": {"country": 1000},
        "vocabulary": "7-ab",
        "splits": {"train": train, "validation": [], "test": []},
        "catalogue": [],
        "facts": {},
    }
    return Manifest.model_validate(facts | more)


def write_night(
    folder: Path, train: Sequence[int] = ROWS, seed: int = 1, with_ages: bool = False, next_targets: int = 1
) -> Manifest:
    """A night on `ITEMS` items with a colour, and users with a country; its manifest and configuration lie in `folder`.

    Items come in two halves and users stay in theirs, so there is something to learn.
    """
    lake = folder / "lake" / "tuples" / f"ds={DS.isoformat()}"
    random = np.random.default_rng(seed)
    colours = random.integers(0, COLOURS, ITEMS).tolist()
    splits = {}
    for split, files in (("train", train), ("validation", (23,)), ("test", (31,))):
        splits[split] = [
            _random_file(lake / f"{split}-{place}.parquet", rows, random, colours, with_ages, next_targets)
            for place, rows in enumerate(files)
        ]
    catalogue = pa.table(
        {
            n.ITEM_INDEX: pa.array(range(2, ITEMS), pa.int32()),
            n.ITEM_ID: [f"item {index}" for index in range(2, ITEMS)],
            n.ITEM_CODES: pa.array([[index, colours[index]] for index in range(2, ITEMS)], pa.list_(pa.int32())),
            n.BEHAVIOURS: pa.array([index % 7 for index in range(2, ITEMS)], pa.int64()),
        }
    )
    assert set(catalogue.column_names) | {n.DS} == set(CATALOGUE.column_names)
    pq.write_table(catalogue, lake / "catalogue.parquet")
    manifest = Manifest(
        ds=DS.isoformat(),
        content=f"content of seed {seed}",
        history_length=HISTORY_LENGTH,
        history_days=HISTORY_DAYS,
        age_buckets=AGE_BUCKETS if with_ages else 0,
        next_targets=next_targets,
        item_features={n.ITEM_ID: ITEMS, "colour": COLOURS},
        profile_features={"country": COUNTRIES},
        vocabulary="7-ab",
        splits=splits,
        catalogue=[TupleFile(url=(lake / "catalogue.parquet").as_uri(), rows=ITEMS - 2)],
        facts={},
    )
    (lake / "manifest.json").write_text(json.dumps(manifest.model_dump()))
    (folder / "night.toml").write_text(CONFIG.format(folder=folder))
    return manifest


def _random_file(
    path: Path, rows: int, random: np.random.Generator, colours: list[int], with_ages: bool, next_targets: int
) -> TupleFile:
    history, profile, target = [], [], []
    for _ in range(rows):
        country = int(random.integers(0, COUNTRIES))
        half = range(2, ITEMS // 2) if country % 2 else range(ITEMS // 2, ITEMS)
        length = int(random.integers(1, HISTORY_LENGTH + 1))
        history.append([*random.choice(half, length).tolist(), *[0] * (HISTORY_LENGTH - length)])
        profile.append([country])
        item = int(random.choice(half))
        target.append([item, colours[item]])
    # Older behaviours stand first; the generator gives what it gave without ages.
    ages = [[max(AGE_BUCKETS - 3 * place, 1) if item else 0 for place, item in enumerate(row)] for row in history]
    following = None
    if next_targets > 1:
        # Of every number from none on, each in the half of its row; the first generator again gives what it gave.
        other, width = np.random.default_rng(rows), next_targets - 1
        counts = other.integers(0, width + 1, rows).tolist()
        halves = [(2, ITEMS // 2) if country % 2 else (ITEMS // 2, ITEMS) for [country] in profile]
        following = [
            [*other.integers(*half, count).tolist(), *[0] * (width - count)]
            for half, count in zip(halves, counts, strict=True)
        ]
    return write_file(path, history, profile, target, ages=ages if with_ages else None, following=following)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A store in which the job ran twice, beside runs that were left behind before."""

    folder: Path
    manifest: Manifest
    config: Config
    client: MlflowClient
    left_behind: str
    of_others: str
    printed: list[str]

    @property
    def registry(self) -> Registry:
        return Registry(self.config.tracking)
