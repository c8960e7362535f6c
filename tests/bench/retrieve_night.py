"""The end of the night as it runs: Spark reads interests, searches, and writes lists to Delta on two cores."""

from __future__ import annotations

import os
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from mind.config import load
from mind.preflight import find_java
from mind.retrieval import choose, top_candidates_batch
from mind.serving import searching
from mind.serving.embedding import ServingModel
from mind.serving.night import stamped
from mind.storage.lake import Lake
from mind.tables import STAGED
from mind.tables import names as n
from tests.bench.clustered_items import catalogue_of
from tests.bench.clustered_items import users as users_near

DS = date(2011, 12, 8)
CORES = 2


def night(folder: Path, *, items: int, users: int, wanted: int) -> dict[str, float]:
    """Users a second and core from interests to a committed Delta table, and the share of that time that is search.

    The search alone is timed in this process on the same users; the index is built before the clock starts, and the
    workers' first look at it is part of the job.
    """
    os.environ |= {
        "JAVA_HOME": str(find_java()),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": "--properties-file conf/spark/local.conf --driver-memory 2g pyspark-shell",
    }
    from mind.storage.session import session

    section = load(overrides=[f"retrieval.candidates={wanted}", "retrieval.index=ivf"]).retrieval
    catalogue = catalogue_of(items, folder)
    near = users_near(catalogue.vectors_VD, users, seed=4)
    index = choose(catalogue, "ivf", section.recall, 0, near[: section.recall_users], wanted)
    names = [str(user) for user in range(users)]
    started = time.process_time()
    for start in range(0, users, section.users_per_batch):
        part = slice(start, start + section.users_per_batch)
        top_candidates_batch(names[part], near[part], [[]] * len(near[part]), catalogue, index, wanted)
    search_s = time.process_time() - started

    spark = session()
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(catalogue.vectors_VD.reshape(-1)), catalogue.dimension)
    rows = pa.table({n.ITEM_ID: list(catalogue.item_ids), n.VECTOR: vectors.cast(pa.list_(pa.float32()))})
    interests = pa.table({n.USER_ID: names, n.INTERESTS: [list(map(np.ndarray.tolist, one)) for one in near]})
    model = ServingModel(
        folder=folder,
        version="1",
        checksum="c",
        vocabulary="bench",
        item_features={},
        profile_features={},
        history_length=1,
        behaviour_time=False,
    )
    frame = spark.createDataFrame(interests).repartition(2 * CORES).persist()
    frame.count()
    sent = searching.build_index(spark.createDataFrame(rows), model, frame, section)
    nothing = spark.createDataFrame([], f"{n.USER_ID} string, {searching.EXCLUDED} array<string>")
    lake = Lake(spark, str(folder / "lake"))
    clock = time.perf_counter()
    lake.replace(
        STAGED, stamped(searching.retrieve(frame, nothing, sent, section), DS, model, sent.fingerprint), DS, DS
    )
    spent = CORES * (time.perf_counter() - clock)
    spark.stop()
    return {"night.users_per_s_per_core": users / spent, "night.search_share": search_s / spent}
