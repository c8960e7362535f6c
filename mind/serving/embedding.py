"""Spark meets torch: items to vectors, histories to interests. The worker loads the model once and keeps it.

Shapes: B rows of an Arrow batch, L history length, P profile features, K interests, D dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from mind.errors import BrokenPromise
from mind.features.fit import known_history, known_profile
from mind.model import MIND, load
from mind.serving.parcel import received, send
from mind.tables import names as n

Batches = Iterable[pa.RecordBatch]

VECTORS = f"{n.ITEM_ID} string, {n.VECTOR} array<float>"
INTERESTS = (
    f"{n.USER_ID} string, {n.INTERESTS} array<array<float>>, {n.INTEREST_COUNT} int, "
    f"{n.HISTORY} array<int>, {n.HISTORY_LENGTH} int, {n.PROFILE} array<int>"
)


@dataclass(frozen=True, kw_only=True)
class ServingModel:
    """A registered model, ready to serve: where its files are and what it was made for."""

    folder: Path
    version: str
    checksum: str
    vocabulary: str
    item_features: dict[str, int]
    profile_features: dict[str, int]
    history_length: int
    history_days: int | None
    """Days that a history reaches back from its moment, as in the tuples that it was trained with; 0: all. None where
    the version is older than this fact."""
    behaviour_time: bool
    """Whether it takes the ages of behaviours beside each history."""

    @property
    def items(self) -> int:
        """Rows of its item table: it knows the item indexes below."""
        return next(iter(self.item_features.values()))

    @property
    def sizes(self) -> dict[str, int]:
        return self.item_features | self.profile_features

    def reach(self, configured: int) -> int:
        """Days that its histories reach back; what is configured where nobody knows."""
        return configured if self.history_days is None else self.history_days

    def check_vocabulary(self, fingerprint: str) -> None:
        """Raises BrokenPromise where the lake's vocabulary is not the one that the model was trained with."""
        if fingerprint != self.vocabulary:
            raise BrokenPromise(
                f"model version {self.version} was trained with vocabulary {self.vocabulary}, the lake's entries of "
                f"the same sizes are {fingerprint}: an index moved. Train anew, or restore the vocabulary."
            )


def serving_model(folder: Path, version: str) -> ServingModel:
    """The description of a stored model; its weights are checked and opened by the workers."""
    model, description = load(folder)
    facts = description["extra"]
    return ServingModel(
        folder=folder,
        version=version,
        checksum=description["weights_sha256"],
        vocabulary=facts["vocabulary"],
        item_features=dict(zip(facts["item_features"], model.architecture.feature_sizes, strict=True)),
        profile_features=dict(zip(facts["profile_features"], model.architecture.profile_sizes, strict=True)),
        history_length=model.architecture.history_length,
        history_days=facts.get("history_days"),
        behaviour_time=model.architecture.behaviour_time,
    )


def embed_items(items: DataFrame, model: ServingModel) -> DataFrame:
    """(item_id, vector) of items with `item_index` below the model's size."""
    name = send(items.sparkSession, model.folder, "model")
    return items.select(n.ITEM_ID, n.ITEM_INDEX).mapInArrow(_item_worker(name), VECTORS)


def embed_users(histories: DataFrame, model: ServingModel) -> DataFrame:
    """(user_id, interests, ...) of (user_id, history, history_length, profile), and the behaviours' ages where the
    model takes them.

    Raises:
        BrokenPromise: the model takes ages and the histories have none.
    """
    name = send(histories.sparkSession, model.folder, "model")
    columns, schema = [n.USER_ID, n.HISTORY, n.HISTORY_LENGTH, n.PROFILE], INTERESTS
    if model.behaviour_time:
        if n.HISTORY_AGES not in histories.columns:
            raise BrokenPromise(
                f"model version {model.version} takes behaviours' ages and the histories have no ages; make them with "
                "the end of ds as as_of"
            )
        columns, schema = [*columns, n.HISTORY_AGES], f"{INTERESTS}, {n.HISTORY_AGES} array<tinyint>"
    return histories.select(*columns).mapInArrow(_user_worker(name), schema)


def _item_worker(name: str) -> Callable[[Batches], Batches]:
    def work(batches: Batches) -> Batches:
        model = _model(name)
        for batch in batches:
            index_B = torch.from_numpy(batch[n.ITEM_INDEX].to_numpy().astype(np.int64))
            vectors_BD = model.infer_items(index_B).numpy()
            yield pa.record_batch([batch[n.ITEM_ID], _lists(vectors_BD)], names=[n.ITEM_ID, n.VECTOR])

    return work


def _user_worker(name: str) -> Callable[[Batches], Batches]:
    def work(batches: Batches) -> Batches:
        model = _model(name)
        for batch in batches:
            if batch.num_rows:
                yield _interests(model, batch)

    return work


def _interests(model: MIND, batch: pa.RecordBatch) -> pa.RecordBatch:
    history_BL = known_history(matrix(batch[n.HISTORY]), model.architecture.feature_sizes[0])
    profile_BP = known_profile(matrix(batch[n.PROFILE]), model.architecture.profile_sizes)
    given, age_BL = [n.HISTORY, n.HISTORY_LENGTH, n.PROFILE], None
    if model.architecture.behaviour_time:
        given, age_BL = [*given, n.HISTORY_AGES], torch.from_numpy(matrix(batch[n.HISTORY_AGES]).copy())
    found = model.infer(torch.from_numpy(history_BL), torch.from_numpy(profile_BP), age_BL=age_BL)
    active_BK = found.active_BK.numpy()
    count_B = active_BK.sum(axis=1).astype(np.int32)
    # Inactive interests are zero vectors; they must never reach a table or an index.
    vectors = _lists(found.vectors_BKD.numpy()[active_BK])
    ends = np.concatenate([[0], np.cumsum(count_B)]).astype(np.int32)
    return pa.record_batch(
        [
            batch[n.USER_ID],
            pa.ListArray.from_arrays(pa.array(ends), vectors),
            pa.array(count_B),
            *(batch[name] for name in given),
        ],
        names=[n.USER_ID, n.INTERESTS, n.INTEREST_COUNT, *given],
    )


@cache
def _model(name: str) -> MIND:
    """The model in this worker process; Spark uses a worker for many tasks."""
    torch.set_num_threads(1)
    return load(received(name))[0]


def matrix(lists: pa.Array) -> NDArray[Any]:
    """An Arrow column of equally long lists as [B, length]."""
    flat: NDArray[Any] = lists.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(lists), -1)


def _lists(rows_MD: NDArray[np.float32]) -> pa.Array:
    """The rows of a float matrix as an Arrow column of lists."""
    rows, width = rows_MD.shape
    ends = pa.array(np.arange(0, (rows + 1) * width, width, dtype=np.int32))
    return pa.ListArray.from_arrays(ends, pa.array(np.ascontiguousarray(rows_MD, dtype=np.float32).reshape(-1)))
