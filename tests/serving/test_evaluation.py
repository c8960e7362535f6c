"""Test rows scored by Spark's executors against the same rows in one process: equal numbers, and equal refusals."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from mind.config import EvaluationSection
from mind.errors import BrokenPromise
from mind.model import AGE_BUCKETS, MIND, save
from mind.serving.evaluation import SpreadRows, _codes
from mind.tables import names as n
from mind.tables.manifest import Manifest, TupleFile
from mind.tracking.promotion import POPULARITY
from mind.training.assessment import Assessment
from mind.training.yardstick import HeldRows, Yardstick
from tests.training.small_night import manifest_of

ITEMS, LENGTH, COUNTRIES = 62, 9, 3
"""Rows of the item table; so 60 positions."""
ROWS_OF_FILES = (41, 0, 37, 23)
BATCH = 3


def nearly_equal_items(ages: bool = False) -> MIND:
    """Items in a dozen groups, whose members differ about as much as rounding does: only equal blocks of rows put them
    in one order."""
    network = MIND(
        item_features_VF=torch.arange(ITEMS).unsqueeze(1),
        feature_sizes=[ITEMS],
        profile_sizes=[COUNTRIES],
        history_length=LENGTH,
        dimension=100,
        interests=3,
        hidden_sizes=(12,),
        seed=3,
        behaviour_time=ages,
    )
    if network.behaviour_time is not None:
        # A weight of its own for each bucket, or ages would say little before they are trained.
        network.behaviour_time.log_weight_A.data = torch.linspace(-3, 3, AGE_BUCKETS + 1)
    table = next(network.item_embedding.parameters())
    random = torch.Generator().manual_seed(5)
    groups = torch.randn(12, table.shape[1], generator=random)[torch.arange(ITEMS) % 12]
    with torch.no_grad():
        table[1:] = (groups * (1 + 3e-8 * torch.randn(ITEMS, table.shape[1], generator=random)))[1:]
    return network


def tuple_file(path: Path, rows: int, random: np.random.Generator) -> TupleFile:
    """Random rows in small row groups; one target in four is in the history, users repeat over the files."""
    history_RL, length_R = random.integers(2, ITEMS, (rows, LENGTH)), random.integers(1, LENGTH + 1, rows)
    history_RL[np.arange(LENGTH) >= length_R[:, None]] = 0
    target_R = np.where(random.random(rows) < 0.25, history_RL[:, 0], random.integers(2, ITEMS, rows))
    lists = pa.list_(pa.int32())
    columns = {
        n.USER_ID: pa.array([f"üser {user}" for user in random.integers(0, 20, rows)], pa.string()),
        n.HISTORY: pa.array(history_RL.tolist(), lists),
        n.HISTORY_AGES: pa.array(np.where(history_RL, history_RL % AGE_BUCKETS + 1, 0).tolist(), pa.list_(pa.int8())),
        n.PROFILE: pa.array(random.integers(0, COUNTRIES, (rows, 1)).tolist(), lists),
        n.TARGET: pa.array(target_R[:, None].tolist(), lists),
    }
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=10)
    return TupleFile(url=path.as_uri(), rows=rows)


def night(folder: Path, ages: bool = False) -> Manifest:
    random = np.random.default_rng(8)
    files = [
        tuple_file(folder / "a night" / f"{9 - place}.parquet", rows, random)
        for place, rows in enumerate(ROWS_OF_FILES)
    ]
    facts = {"item_features": {n.ITEM_ID: ITEMS}, "profile_features": {"country": COUNTRIES}, "history_length": LENGTH}
    buckets = AGE_BUCKETS if ages else 0
    return manifest_of([], splits={"train": [], "validation": [], "test": files}, age_buckets=buckets, **facts)


def yardstick(manifest: Manifest, filter_seen: bool = False) -> Yardstick:
    random = np.random.default_rng(4)
    section = EvaluationSection(cutoffs=(1, 5), main_cutoff=5, batch_size=BATCH, filter_seen=filter_seen, on_spark=True)
    counts_V, tie_order_V = random.integers(0, 6, ITEMS - 2), random.permutation(ITEMS - 2)
    return Yardstick(manifest=manifest, counts_V=counts_V, tie_order_V=tie_order_V, section=section)


@pytest.fixture
def small_pieces(spark: SparkSession) -> Iterator[SparkSession]:
    """Blocks of rows lie over several Arrow batches; this process has the threads of a worker."""
    key, threads = "spark.sql.execution.arrow.maxRecordsPerBatch", torch.get_num_threads()
    held = {name: spark.conf.get(name) for name in (key, "spark.sql.shuffle.partitions")}
    spark.conf.set(key, "5")
    torch.set_num_threads(1)
    yield spark
    torch.set_num_threads(threads)
    for name, value in held.items():
        spark.conf.set(name, str(value))


def told(assessment: Assessment, model: Path) -> list[Any]:
    """All that an assessment says; every number must be the same."""
    assessment.add("model", model)
    measured = [assessment._found[name] for name in (POPULARITY, "model")]
    arrays = [None if array is None else array.tolist() for found in measured for array in found]
    return [
        assessment.metrics(POPULARITY),
        assessment.metrics("model"),
        assessment.difference("model", POPULARITY),
        arrays,
    ]


@pytest.mark.parametrize(("filter_seen", "ages"), [(False, False), (True, True)])
def test_spark_says_what_one_process_says_whatever_the_partitions(
    tmp_path: Path, small_pieces: SparkSession, filter_seen: bool, ages: bool
) -> None:
    manifest, model = night(tmp_path, ages), tmp_path / "model"
    stick = yardstick(manifest, filter_seen)
    save(nearly_equal_items(ages), model, {})
    wanted = told(Assessment(HeldRows(manifest, stick)), model)
    assert ("diversity_at_5" in wanted[1], wanted[0]["rows"] < sum(ROWS_OF_FILES)) == (True, filter_seen)
    spread = SpreadRows(small_pieces, manifest, stick)
    for partitions in (1, 3, 7):
        small_pieces.conf.set("spark.sql.shuffle.partitions", str(partitions))
        assert told(Assessment(spread), model) == wanted, partitions


def test_a_model_of_ages_is_refused_on_tuples_without_as_one_process_refuses_it(
    tmp_path: Path, spark: SparkSession
) -> None:
    manifest = night(tmp_path)
    save(nearly_equal_items(ages=True), tmp_path / "model", {})
    for rows in (HeldRows(manifest, yardstick(manifest)), SpreadRows(spark, manifest, yardstick(manifest))):
        with pytest.raises(BrokenPromise, match="the model takes behaviours' ages"):
            Assessment(rows).add("model", tmp_path / "model")


def test_what_is_missing_is_refused_as_one_process_refuses_it(tmp_path: Path, spark: SparkSession) -> None:
    manifest = night(tmp_path)
    (*_, last) = manifest.splits["test"]
    file = Path(last.url.removeprefix("file://").replace("%20", " "))
    whole = tmp_path / "whole"
    shutil.copy(file, whole)

    def refusals() -> list[str]:
        messages = []
        stick = yardstick(manifest)
        for make in (lambda: HeldRows(manifest, stick), lambda: SpreadRows(spark, manifest, stick)):
            with pytest.raises(BrokenPromise) as refused:
                make()
            messages.append(str(refused.value))
        return messages

    pq.write_table(pq.read_table(whole).slice(0, last.rows - 1), file)
    held, spread = refusals()
    assert held == spread == f"{last.url} gave 22 rows, the manifest has 23; run build_tuples again"
    file.write_bytes(whole.read_bytes()[:-20])
    (file.parent / f".{file.name}.crc").unlink(missing_ok=True)
    for message in refusals():
        assert "cannot be read" in message
        assert file.name in message
        assert "run build_tuples" in message
    file.unlink()
    for message in refusals():
        assert file.name in message
    manifest = manifest.model_copy(update={"splits": manifest.splits | {"test": []}})
    held, spread = refusals()
    assert held == spread
    assert "has no rows" in held


@given(st.lists(st.lists(st.text(max_size=3), max_size=6), min_size=1, max_size=4).filter(any))
def test_users_are_numbered_in_the_order_of_their_ids(chunks: list[list[str]]) -> None:
    users = [user for chunk in chunks for user in chunk]
    found = _codes(pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks]))
    assert found.tolist() == np.unique(np.array(users, dtype=object), return_inverse=True)[1].tolist()
