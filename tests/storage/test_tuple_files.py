"""A night's tuples exist when their manifest does, and the manifest says what is in the files."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from mind.baselines.popularity import item_counts
from mind.config import TuplesSection
from mind.errors import BrokenPromise, MindError
from mind.storage.tuple_files import read_catalogue, read_manifest, told_tuples
from mind.storage.tuple_forget import content_of
from mind.storage.tuple_writer import write_tuples
from mind.tables import CATALOGUE, TUPLES, ContractError
from mind.tables import names as n
from mind.tables.manifest import Manifest, TupleFile
from mind.training.loader import TENSORS, columns_of, read_split
from mind.tuples.build import build_tuples, count_targets, target_sequences
from mind.tuples.splits import SPLITS, windows
from tests.behaviours.shop import source
from tests.features.slow import DAY, ITEM_INDEX, items_frame, log_frame, random_log, vocabulary_frame
from tests.storage.frames import rows_of

DS = DAY + timedelta(days=11)
SECTION = TuplesSection(
    history_days=0,
    history_length=4,
    split="time",
    train_days=6,
    validation_days=2,
    test_days=3,
    targets_per_user=3,
    targets_kept="latest",
    next_targets=1,
    files=2,
)
FACTS: dict[str, Any] = {
    "history_length": 4,
    "item_features": {"item_id": 10, "colour": 200, "size": 2},
    "profile_features": {"country": 5},
    "vocabulary": "f00d",
    "facts": {"source": "shop", "targets": {"train": {"found": 9}}},
}


class Night:
    """Frames of a night and how many tuples are due."""

    def __init__(self, spark: SparkSession, seed: int) -> None:
        log = log_frame(spark, random_log(seed)).persist()
        tables = items_frame(spark), vocabulary_frame(spark)
        sequences = target_sequences(log, *tables, source(), DS, SECTION).persist()
        train = windows(DS, SECTION)["train"]
        self.tuples = build_tuples(sequences, SECTION).persist()
        self.catalogue = item_counts(log, items_frame(spark), train.first, train.last).persist()
        self.expected = count_targets(sequences, DS, SECTION).kept

    def write(self, root: Path, **changes: Any) -> Manifest:
        given = {"tuples": self.tuples, "catalogue": self.catalogue, "files": 2, "expected": self.expected}
        return write_tuples(str(root), DS, **{**given, "facts": FACTS, **changes})


@pytest.fixture(scope="module")
def night(spark: SparkSession) -> Night:
    return Night(spark, 31)


@pytest.fixture(scope="module")
def root(night: Night, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tuples as written once; a name that URLs have to quote."""
    folder = tmp_path_factory.mktemp("lake") / "with space é"
    night.write(folder)
    return folder


def local(file: TupleFile) -> Path:
    return Path(unquote(urlparse(file.url).path))


def table(files: list[TupleFile]) -> pa.Table:
    return pa.concat_tables([pq.ParquetFile(local(file)).read() for file in files])


def contents(manifest: Manifest) -> list[pa.Table]:
    files = [file for split in manifest.splits.values() for file in split]
    return [pq.ParquetFile(local(file)).read() for file in [*files, *manifest.catalogue]]


def test_the_manifest_has_the_rows_of_the_footers_and_the_rows_that_were_due(night: Night, root: Path) -> None:
    manifest = read_manifest(str(root), DS)
    assert {split: manifest.rows(split) for split in SPLITS} == night.expected
    for files in [*manifest.splits.values(), manifest.catalogue]:
        assert [pq.read_metadata(local(file)).num_rows for file in files] == [file.rows for file in files]
    assert manifest.history_length == 4
    assert manifest.items == 10
    assert list(manifest.item_features) == ["item_id", "colour", "size"]
    manifest.check_rows("train", night.expected["train"])
    with pytest.raises(BrokenPromise, match=r"rows of split train .* were read"):
        manifest.check_rows("train", night.expected["train"] - 1)


def test_the_files_hold_the_tuples_as_their_contract_says(night: Night, root: Path) -> None:
    manifest = read_manifest(str(root), DS)
    written = [row | {n.SPLIT: split} for split in SPLITS for row in table(manifest.splits[split]).to_pylist()]
    columns = [name for name in TUPLES.column_names if name != n.DS]
    assert sorted(written, key=lambda row: repr(sorted(row.items()))) == rows_of(night.tuples, *columns)
    train = table(manifest.splits["train"])
    for column in TUPLES.columns:
        if column.name not in (n.DS, n.SPLIT):
            found = train.schema.field(column.name).type
            # Spark may promise more than the contract (that no entry of an array is null) and names entries itself.
            told = re.sub("list<(element|array): ", "list<item: ", str(found)).replace(" not null", "")
            assert told == str(column.type)
            assert train[column.name].null_count == 0
    assert {len(row) for row in train[n.HISTORY].to_pylist()} == {4}


def test_ages_and_next_targets_are_in_the_files_and_the_manifest_where_they_were_asked_for_alone(
    spark: SparkSession, night: Night, root: Path, tmp_path: Path
) -> None:
    plain = json.loads((root / "tuples" / f"ds={DS}" / "manifest.json").read_text())
    assert not {"age_buckets", "next_targets"} & set(plain)
    assert (read_manifest(str(root), DS).age_buckets, read_manifest(str(root), DS).next_targets) == (0, 1)
    assert columns_of(read_manifest(str(root), DS)) == TENSORS
    log, tables = log_frame(spark, random_log(31)), (items_frame(spark), vocabulary_frame(spark))
    several = SECTION.model_copy(update={"next_targets": 3})
    aged = build_tuples(target_sequences(log, *tables, source(), DS, SECTION), several, ages=True).persist()
    manifest = night.write(tmp_path, tuples=aged, facts=FACTS | {"next_targets": 3})
    assert (read_manifest(str(tmp_path), DS).age_buckets, read_manifest(str(tmp_path), DS).next_targets) == (24, 3)
    assert manifest.content != plain["content"]
    assert content_of(spark, manifest) == manifest.content
    files = [file for split in SPLITS for file in manifest.splits[split]]
    told = (n.EVENT_ID, n.HISTORY_AGES, n.NEXT_TARGETS)
    found = table(files).select(told).to_pylist()
    wanted = [row.asDict() for row in aged.select(*told).collect()]
    assert sorted(found, key=str) == sorted(wanted, key=str)
    read = read_split(manifest, "train", (*columns_of(manifest), n.NEXT_TARGETS))
    assert (read[n.NEXT_TARGETS].dtype, read[n.NEXT_TARGETS].shape[1]) == (np.dtype("int32"), 2)
    assert read[n.NEXT_TARGETS].any()
    assert read[n.HISTORY_AGES].dtype == np.dtype("int8")
    assert ((read[n.HISTORY_AGES] > 0) == (read[n.HISTORY] > 0)).all()


def test_the_catalogue_is_read_in_the_order_of_its_indexes(night: Night, root: Path) -> None:
    found = read_catalogue(read_manifest(str(root), DS)).to_pylist()
    assert [row[n.ITEM_INDEX] for row in found] == sorted(ITEM_INDEX.values())
    columns = [name for name in CATALOGUE.column_names if name != n.DS]
    assert sorted(found, key=lambda row: repr(sorted(row.items()))) == rows_of(night.catalogue, *columns)


def test_a_catalogue_of_other_rows_than_the_manifest_says_is_refused(root: Path) -> None:
    manifest = read_manifest(str(root), DS)
    wrong = [file.model_copy(update={"rows": file.rows + 1}) for file in manifest.catalogue]
    with pytest.raises(BrokenPromise, match=r"has 8 rows, the manifest .* says 9; run build_tuples"):
        read_catalogue(manifest.model_copy(update={"catalogue": wrong}))


def test_partitions_change_neither_the_fingerprint_nor_the_order_in_the_files(
    spark: SparkSession, night: Night, root: Path, tmp_path: Path
) -> None:
    first = read_manifest(str(root), DS)
    other = night.write(tmp_path, tuples=night.tuples.repartition(7), catalogue=night.catalogue.repartition(3))
    assert other.content == first.content
    assert all(one.equals(two) for one, two in zip(contents(first), contents(other), strict=True))


def test_a_second_write_replaces_the_manifest_at_once_and_keeps_the_files_that_readers_hold(
    spark: SparkSession, night: Night, tmp_path: Path
) -> None:
    old = night.write(tmp_path)
    seen: list[Manifest] = []
    stop = Event()

    def read() -> None:
        while not stop.is_set():
            seen.append(read_manifest(str(tmp_path), DS))
            time.sleep(0.002)

    reader = Thread(target=read)
    reader.start()
    try:
        new = Night(spark, 32).write(tmp_path)
    finally:
        stop.set()
        reader.join()
    assert new.content != old.content
    assert {manifest.content for manifest in seen} <= {old.content, new.content}
    assert seen[0] == old
    assert read_manifest(str(tmp_path), DS) == new
    for manifest in (old, new):
        assert len(contents(manifest)) == sum(map(len, manifest.splits.values())) + 1


@pytest.fixture
def untouched(root: Path) -> Iterator[None]:
    """The manifest of the night before and after are the same bytes."""
    file = root / "tuples" / f"ds={DS}" / "manifest.json"
    before = file.read_bytes()
    yield
    assert file.read_bytes() == before
    assert contents(read_manifest(str(root), DS))


@pytest.mark.usefixtures("untouched")
def test_other_rows_than_were_due_fail_and_the_old_manifest_stays(night: Night, root: Path) -> None:
    due = night.expected | {"validation": night.expected["validation"] + 1}
    with pytest.raises(BrokenPromise, match=rf"validation of {DS} has \d+ rows on disk, {due['validation']} were"):
        night.write(root, expected=due)


def broken(night: Night, fault: str) -> DataFrame:
    return {
        "a tuple twice": night.tuples.unionByName(night.tuples.limit(1)),
        "a column missing": night.tuples.drop(n.HISTORY),
        "a length as long": night.tuples.withColumn(n.HISTORY_LENGTH, night.tuples[n.HISTORY_LENGTH].cast("long")),
    }[fault]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("a tuple twice", "1 rows repeat a key"),
        ("a column missing", "missing history "),
        ("a length as long", "history_length is int64, promised int32"),
    ],
)
def test_tuples_that_break_their_contract_are_not_written(night: Night, root: Path, fault: str, message: str) -> None:
    before = sorted((root / "tuples" / f"ds={DS}").iterdir())
    with pytest.raises(ContractError, match=message):
        night.write(root, tuples=broken(night, fault))
    assert sorted((root / "tuples" / f"ds={DS}").iterdir()) == before


def test_only_replaced_files_older_than_a_day_are_swept(night: Night, tmp_path: Path) -> None:
    folder = tmp_path / "tuples" / f"ds={DS}"
    old, recent = folder / "attempt-1-1", folder / "attempt-2-2"
    for made in (old, recent):
        made.mkdir(parents=True)
        (made / "part.parquet").write_bytes(b"x")
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    manifest = night.write(tmp_path, files=1)
    assert not old.exists()
    assert recent.exists()
    assert [len(files) for files in manifest.splits.values()] == [1, 1, 1]


def test_what_a_report_tells_of_tuples_and_nothing_where_there_are_none(
    night: Night, root: Path, tmp_path: Path
) -> None:
    rows, targets = told_tuples(str(root), DS)
    assert rows == night.expected
    assert targets == read_manifest(str(root), DS).facts["targets"]
    assert told_tuples(str(tmp_path), DS) == ({}, {})


def test_a_night_without_tuples_names_the_step_to_run(tmp_path: Path) -> None:
    with pytest.raises(MindError, match=r"no tuples for 2024-01-01: .*run build_tuples --ds 2024-01-01 first"):
        read_manifest(str(tmp_path), date(2024, 1, 1))


@pytest.mark.parametrize("change", ["cut", "a key too many", "a key missing", "rows as words", "bytes"])
def test_a_manifest_that_is_none_names_the_step_to_run(root: Path, tmp_path: Path, change: str) -> None:
    good = (root / "tuples" / f"ds={DS}" / "manifest.json").read_text()
    values = json.loads(good)
    texts = {
        "cut": good[:-20].encode(),
        "a key too many": json.dumps(values | {"more": 1}).encode(),
        "a key missing": json.dumps({key: value for key, value in values.items() if key != "content"}).encode(),
        "rows as words": json.dumps(values | {"catalogue": [{"url": "file:///x", "rows": "many"}]}).encode(),
        "bytes": b"\xff\xfe",
    }
    (tmp_path / "tuples" / f"ds={DS}").mkdir(parents=True)
    (tmp_path / "tuples" / f"ds={DS}" / "manifest.json").write_bytes(texts[change])
    with pytest.raises(MindError, match=rf"(?s)is no manifest .*run build_tuples --ds {DS} again"):
        read_manifest(str(tmp_path), DS)
