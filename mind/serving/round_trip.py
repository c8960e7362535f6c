"""One row through every package that a night relies on, in a folder of its own: what fails names its package."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pyspark.sql import SparkSession

from mind.config import TrackingSection
from mind.errors import BrokenPromise, MindError
from mind.model import MIND, load, save
from mind.retrieval import Catalogue, ExactIndex, top_candidates
from mind.storage.lake import Lake
from mind.storage.plain_delta import read_plainly
from mind.storage.tuple_files import read_catalogue, read_manifest
from mind.storage.tuple_writer import write_tuples
from mind.tables import CATALOGUE, TUPLES, USERS
from mind.tables import names as n
from mind.tracking.registry import TRAINING_KEY, Registry
from mind.training.loader import read_split

log = logging.getLogger("mind")

DS = date(2011, 12, 8)
ITEM = 2
MOMENT = datetime(2011, 12, 8, 12, tzinfo=UTC)


def round_trip(spark: SparkSession, folder: Path) -> list[str]:
    """Send one user with one item through all packages; the names of those that worked.

    Raises:
        MindError: a package failed; the message names it.
    """
    lake = Lake(spark, str(folder / "lake"))
    stations: dict[str, Callable[[], object]] = {
        "pyspark and delta": partial(_through_delta, lake),
        "pyarrow, Delta without Spark": partial(_plainly, lake),
        "petastorm on pyarrow's Parquet": partial(_through_petastorm, lake),
        "torch": partial(_through_torch, folder / "model"),
        "faiss": _through_faiss,
        "mlflow": partial(_through_mlflow, folder),
    }
    for name, station in stations.items():
        try:
            station()
        except Exception as error:
            raise MindError(
                f"{name} failed: {type(error).__name__}: {error}. Install what is locked: make setup"
            ) from error
        log.info("%s: one row there and back", name)
    log.info("torch computes on %s", torch.cuda.get_device_name(0) if torch.cuda.is_available() else "the CPU: no GPU")
    return list(stations)


def _same(found: object, due: object) -> None:
    if found != due:
        raise BrokenPromise(f"{due!r} went in and {found!r} came back")


def _through_delta(lake: Lake) -> None:
    row = (DS, "u", [1], 1, MOMENT, MOMENT)
    frame = lake.spark.createDataFrame(
        [row], "ds date, user_id string, profile array<int>, behaviours long, first_seen timestamp, last_seen timestamp"
    )
    lake.replace(USERS, frame, DS, DS)
    _same(lake.read(USERS, DS).count(), 1)


def _plainly(lake: Lake) -> None:
    row = read_plainly(lake.root, USERS).to_pylist()[0]
    _same((row[n.DS], row[n.USER_ID], row[n.PROFILE], row[n.LAST_SEEN]), (DS, "u", [1], MOMENT))


def _through_petastorm(lake: Lake) -> None:
    tuples = lake.spark.createDataFrame(
        [("train", "u", "i", "e", MOMENT, [ITEM, 0], 1, [1], [ITEM])],
        "split string, user_id string, item_id string, event_id string, target_time timestamp, history array<int>, "
        "history_length int, profile array<int>, target array<int>",
    )
    catalogue = lake.spark.createDataFrame(
        [(ITEM, "i", [ITEM], 1)], "item_index int, item_id string, item_codes array<int>, behaviours long"
    )
    _same({name for name in TUPLES.column_names if name not in tuples.columns}, {n.DS})
    _same({name for name in CATALOGUE.column_names if name not in catalogue.columns}, {n.DS})
    facts = {"history_length": 2, "item_features": {n.ITEM_ID: 3}, "profile_features": {"p": 2}, "vocabulary": "1-a"}
    write_tuples(lake.root, DS, tuples, catalogue, files=1, expected={"train": 1}, facts=facts | {"facts": {}})
    manifest = read_manifest(lake.root, DS)
    _same(read_catalogue(manifest)[n.ITEM_ID].to_pylist(), ["i"])
    _same(read_split(manifest, "train", [n.HISTORY])[n.HISTORY].tolist(), [[ITEM, 0]])


def _through_torch(folder: Path) -> None:
    model = MIND(
        item_features_VF=torch.arange(3, dtype=torch.int32).reshape(3, 1),
        feature_sizes=[3],
        profile_sizes=[2],
        history_length=2,
        dimension=4,
        interests=1,
        hidden_sizes=[4],
    )
    save(model, folder, {})
    history_BL, profile_BP = torch.tensor([[ITEM, 0]], dtype=torch.int32), torch.tensor([[1]], dtype=torch.int32)
    found = load(folder)[0].infer(history_BL, profile_BP).vectors_BKD
    _same(torch.equal(found, model.infer(history_BL, profile_BP).vectors_BKD), True)
    _same(bool(torch.isfinite(found).all()), True)


def _through_faiss() -> None:
    vectors_VD = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    catalogue = Catalogue.build(["a", "b"], vectors_VD, model_version="1", vocabulary="1-a")
    found = top_candidates(vectors_VD[1:], [], catalogue, ExactIndex.build(catalogue), 1)
    _same(found.item_ids(catalogue.item_ids), ["b"])


def _through_mlflow(folder: Path) -> None:
    section = TrackingSection(
        uri=f"sqlite:///{folder}/mlflow.db",
        artifacts=str(folder / "artifacts"),
        experiment="doctor",
        model_name="doctor",
    )
    registry = Registry(section)
    with registry.run("doctor", {}, {TRAINING_KEY: "doctor"}) as run_id:
        registry.log(run_id, {"one": 1.0})
    _same(registry.metrics(run_id, 0), {"one": 1.0})
