"""Spark meets faiss: interests to the best items. The worker opens the index once, after checking it.

Shapes: K interests of a user, D dimension, V items of the catalogue.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from mind.recommending import RetrievalSection
from mind.retrieval import (
    Candidates,
    Catalogue,
    ExactIndex,
    Expected,
    Index,
    Popularity,
    Selection,
    choose,
    read,
    recall,
    selected_batch,
    top_candidates_batch,
    write,
)
from mind.serving.embedding import ServingModel
from mind.serving.parcel import received, send
from mind.tables import names as n

log = logging.getLogger("mind")

Batches = Iterable[pa.RecordBatch]

MODEL = "model"
FALLBACK = "fallback"
EXCLUDED = "excluded"
EXHAUSTED = "catalogue exhausted"
CATEGORY = "category"
_CATEGORIES = "categories.npy"
LISTS = (
    f"{n.USER_ID} string, {n.ITEM_IDS} array<string>, {n.SCORES} array<float>, {n.INTEREST_OF_ORIGIN} array<int>, "
    f"{n.ORIGIN} string, {n.SHORTFALL} string"
)


@dataclass(frozen=True, kw_only=True)
class SentIndex:
    """An index that every worker has, and what it must turn out to be."""

    name: str
    kind: str
    expected: Expected
    fingerprint: str
    size: int


def build_index(
    item_vectors: DataFrame,
    model: ServingModel,
    interests: DataFrame,
    section: RetrievalSection,
    categories: DataFrame | None = None,
) -> SentIndex:
    """The index that `section` asks for over the night's item vectors, checked, written and sent to the workers.

    It is tuned on some of the users in `interests`, others than those on whom `measured_recall` measures it.
    `categories` (item_id, category) goes with it where `section.diversity` asks for one.
    """
    columns = item_vectors.select(n.ITEM_ID, n.VECTOR)
    table = (columns if categories is None else columns.join(categories, n.ITEM_ID)).toArrow()
    ids = table[n.ITEM_ID].to_pylist()
    vectors_VD = table[n.VECTOR].combine_chunks().flatten().to_numpy().reshape(len(ids), -1)
    catalogue = Catalogue.build(ids, vectors_VD, model_version=model.version, vocabulary=model.vocabulary)
    tuned_on = [np.stack(row) for row in _sample(interests, section, 1)[n.INTERESTS].to_pylist()]
    index = choose(catalogue, section.index, section.recall, section.exact_items, tuned_on, section.candidates)
    with tempfile.TemporaryDirectory() as folder:
        checksum = write(index, catalogue, Path(folder))
        if categories is not None:
            by_id = dict(zip(ids, table[CATEGORY].to_pylist(), strict=True))
            np.save(Path(folder) / _CATEGORIES, np.array([by_id[item] for item in catalogue.item_ids], np.int32))
        name = send(item_vectors.sparkSession, Path(folder), "index")
    expected = Expected(
        model_version=model.version,
        vocabulary=model.vocabulary,
        dimension=vectors_VD.shape[1],
        checksum=checksum,
    )
    log.info("%s index over %s items", index.kind, f"{len(ids):,}")
    return SentIndex(name=name, kind=index.kind, expected=expected, fingerprint=catalogue.fingerprint, size=len(ids))


def retrieve(interests: DataFrame, excluded: DataFrame, index: SentIndex, section: RetrievalSection) -> DataFrame:
    """`section.candidates` items of each user, as `section` chooses them, without those in `excluded`.

    excluded: (user_id, excluded), at most one row a user.
    """
    return _with_exclusions(interests, excluded).mapInArrow(_worker(index, section), LISTS)


def measured_recall(
    interests: DataFrame, excluded: DataFrame, index: SentIndex, section: RetrievalSection
) -> DataFrame:
    """(user_id, recall, index_kind): the lists of a fixed sample of users against the exact ones.

    The sample is the `section.recall_users` users whose ids have the smallest hashes, so it changes little from night
    to night. Searched again, since a user's list does not depend on who is searched beside.
    """
    sample = interests.sparkSession.createDataFrame(_sample(interests, section, 0))
    users = _with_exclusions(sample, excluded)
    found = users.mapInArrow(_recall_worker(index, section), f"{n.USER_ID} string, {n.RECALL} double")
    return found.withColumn(n.INDEX_KIND, F.lit(index.kind))


def _with_exclusions(interests: DataFrame, excluded: DataFrame) -> DataFrame:
    users = interests.select(n.USER_ID, n.INTERESTS).join(excluded, n.USER_ID, "left")
    return users.withColumn(EXCLUDED, F.coalesce(EXCLUDED, F.array().cast("array<string>")))


def fallback(users: DataFrame, popular: DataFrame, size: int) -> DataFrame:
    """The popular list for users without interests, marked as such; `popular` holds (item_id, behaviours)."""
    rows = popular.select(n.ITEM_ID, n.BEHAVIOURS).toArrow()
    ids = rows[n.ITEM_ID].to_pylist()
    best = Popularity.from_counts(ids, rows[n.BEHAVIOURS].to_numpy()).candidates([], size)
    short = F.lit(EXHAUSTED if len(best.positions) < size else None).cast("string")
    return users.select(
        n.USER_ID,
        F.lit([ids[place] for place in best.positions]).alias(n.ITEM_IDS),
        F.lit(best.scores.tolist()).cast("array<float>").alias(n.SCORES),
        F.lit(best.interest.tolist()).cast("array<int>").alias(n.INTEREST_OF_ORIGIN),
        F.lit(FALLBACK).alias(n.ORIGIN),
        short.alias(n.SHORTFALL),
    )


def _worker(index: SentIndex, section: RetrievalSection) -> Callable[[Batches], Batches]:
    def work(batches: Batches) -> Batches:
        held, catalogue = _index(index.name, index.expected)
        selection = _selection(index.name, section)
        for batch in batches:
            for start in range(0, batch.num_rows, section.users_per_batch):
                part = batch.slice(start, section.users_per_batch)
                found = selected_batch(*_asked(part, catalogue), catalogue, held, section.candidates, selection)
                yield _lists(part, found, catalogue, section.candidates)

    return work


def _recall_worker(index: SentIndex, section: RetrievalSection) -> Callable[[Batches], Batches]:
    def work(batches: Batches) -> Batches:
        held, catalogue = _index(index.name, index.expected)
        exact = ExactIndex.build(catalogue)
        for batch in batches:
            asked = _asked(batch, catalogue)
            found = top_candidates_batch(*asked, catalogue, held, section.candidates)
            best = top_candidates_batch(*asked, catalogue, exact, section.candidates)
            shares = pa.array([recall(*pair) for pair in zip(found, best, strict=True)], pa.float64())
            yield pa.record_batch([batch[n.USER_ID], shares], names=[n.USER_ID, n.RECALL])

    return work


def _asked(
    batch: pa.RecordBatch, catalogue: Catalogue
) -> tuple[list[str], list[NDArray[np.float32]], list[NDArray[np.int64]]]:
    """The ids, interests and exclusions of the users in a batch."""
    vectors = batch[n.INTERESTS].flatten().flatten().to_numpy().reshape(-1, catalogue.dimension)
    ends = batch[n.INTERESTS].value_lengths().to_numpy().cumsum()
    excluded = [catalogue.known_positions(ids) for ids in batch[EXCLUDED].to_pylist()]
    return batch[n.USER_ID].to_pylist(), np.split(vectors, ends[:-1]), excluded


def _lists(batch: pa.RecordBatch, found: Sequence[Candidates], catalogue: Catalogue, wanted: int) -> pa.RecordBatch:
    ends_of = pa.array(np.concatenate([[0], np.cumsum([len(one.positions) for one in found])]).astype(np.int32))
    short = [EXHAUSTED if len(one.positions) < wanted else None for one in found]
    ids = pa.array(catalogue.item_ids, pa.string()).take(pa.array(_joined(found, "positions")))
    columns = [
        batch[n.USER_ID],
        pa.ListArray.from_arrays(ends_of, ids),
        pa.ListArray.from_arrays(ends_of, pa.array(_joined(found, "scores"), pa.float32())),
        pa.ListArray.from_arrays(ends_of, pa.array(_joined(found, "interest"), pa.int32())),
        pa.array([MODEL] * len(found), pa.string()),
        pa.array(short, pa.string()),
    ]
    names = [n.USER_ID, n.ITEM_IDS, n.SCORES, n.INTEREST_OF_ORIGIN, n.ORIGIN, n.SHORTFALL]
    return pa.record_batch(columns, names=names)


def _sample(interests: DataFrame, section: RetrievalSection, part: int) -> pa.Table:
    """Every other of the users with the smallest hashes: part 0 to measure recall on, part 1 to tune the index on."""
    by_hash = interests.select(n.USER_ID, n.INTERESTS).orderBy(F.xxhash64(n.USER_ID), n.USER_ID)
    first = by_hash.limit(2 * section.recall_users).toArrow()
    return first.take(pa.array(range(part, first.num_rows, 2), pa.int64()))


def _joined(found: Sequence[Candidates], part: str) -> NDArray[np.generic]:
    return np.concatenate([getattr(one, part) for one in found])


def _selection(name: str, section: RetrievalSection) -> Selection:
    """How lists are chosen, with the categories that came with the index."""
    categories_V = np.load(received(name) / _CATEGORIES, allow_pickle=False) if section.diversity else None
    return Selection(
        interest_share=section.interest_share,
        diversity=section.diversity,
        pool=section.diversity_pool,
        categories_V=categories_V,
    )


@cache
def _index(name: str, expected: Expected) -> tuple[Index, Catalogue]:
    """The index in this worker process; Spark uses a worker for many tasks."""
    faiss.omp_set_num_threads(1)
    return read(received(name), expected)
