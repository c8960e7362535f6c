"""faiss IVF and hnswlib at the recall that ours had, and the clock of the retrieval benchmarks.

Shapes: V items, D dimensions, U users.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import faiss
import hnswlib
import numpy as np

from mind.retrieval import Candidates
from tests.bench.clustered_items import DIMENSION
from tests.bench.record import record


def seconds(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """CPU seconds, seconds of the clock, result."""
    clock, cpu = time.perf_counter(), time.process_time()
    result = work()
    return time.process_time() - cpu, time.perf_counter() - clock, result


def show(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def recall_of_answers(answers: np.ndarray, best: Sequence[Candidates]) -> float:
    """Mean share of the exact lists among the answers of all interests of a user, int [3 U, k]."""
    of_users = answers.reshape(len(best), -1)
    return float(np.mean([np.isin(one.positions, got).mean() for one, got in zip(best, of_users, strict=True)]))


def until_recall(
    efforts: Sequence[int], search: Callable[[int], np.ndarray], best: Sequence[Candidates], least: float
) -> tuple[float, float, int]:
    """CPU seconds, recall and effort of the first effort that reaches the recall, or of the last."""
    for effort in efforts:
        cpu, _, answers = seconds(lambda effort=effort: search(effort))
        reached = recall_of_answers(answers, best)
        if reached >= least:
            break
    return cpu, reached, effort


class Ours(NamedTuple):
    """What a peer is held against: the vectors, some users, their exact lists, and what our index did."""

    name: str
    vectors_VD: np.ndarray
    users: Sequence[np.ndarray]
    best: Sequence[Candidates]
    wanted: int
    recall: float
    ms_per_user: float

    def record(self, peer: str, key: str, cpu: float, reached: float, effort: str) -> None:
        """Keep how many times our CPU seconds the peer took, and its recall."""
        ms = cpu / len(self.users) * 1e3
        show(f"{peer}: {ms:.2f} ms a user, recall {reached:.4f}, {effort}")
        names = f"retrieve.{self.name}.approx.{key}", f"retrieve.{self.name}.{peer}.recall"
        record(dict(zip(names, (ms / self.ms_per_user, reached), strict=True)))


def against_ivf(ours: Ours) -> None:
    """faiss IVF at the recall that ours had on its users, or the most that it reaches."""
    rows, vectors_VD = np.concatenate(ours.users), ours.vectors_VD
    count = max(16, round(len(vectors_VD) ** 0.5))
    ivf = faiss.IndexIVFFlat(faiss.IndexFlatIP(DIMENSION), DIMENSION, count, faiss.METRIC_INNER_PRODUCT)
    ivf.train(vectors_VD[:: max(1, len(vectors_VD) // (64 * count))])
    ivf.add(vectors_VD)

    def probe(effort: int) -> np.ndarray:
        ivf.nprobe = effort
        return ivf.search(rows, ours.wanted)[1]

    efforts = [4 * 2**step for step in range(9) if 4 * 2**step < count]
    cpu, reached, effort = until_recall(efforts, probe, ours.best, ours.recall)
    ours.record("ivf", "over_ivf_equal_recall", cpu, reached, f"{effort} of {count} lists")


def against_hnswlib(ours: Ours) -> None:
    """hnswlib at the recall that ours had on its users, or the most that it reaches."""
    # One more dimension makes all items equally long and leaves the order of the products as it is. A graph of the
    # plain vectors reached a recall of 0.52 at most: long items hide the others.
    vectors_VD = ours.vectors_VD
    norms_V = np.linalg.norm(vectors_VD, axis=1)
    rest_V = np.sqrt(np.maximum(norms_V.max() ** 2 - norms_V**2, 0))
    equal_VD = np.column_stack([vectors_VD, rest_V]).astype(np.float32) / norms_V.max()
    rows = np.concatenate(ours.users)
    rows = np.column_stack([rows, np.zeros(len(rows), dtype=np.float32)])
    graph = hnswlib.Index("ip", DIMENSION + 1)
    graph.init_index(len(equal_VD), ef_construction=100, M=16)
    built, _, _ = seconds(lambda: graph.add_items(equal_VD, num_threads=1))

    def walk(effort: int) -> np.ndarray:
        graph.set_ef(effort)
        return graph.knn_query(rows, ours.wanted, num_threads=1)[0]

    efforts = [ours.wanted * 2**step for step in range(4)]
    cpu, reached, effort = until_recall(efforts, walk, ours.best, ours.recall)
    ours.record("hnswlib", "over_hnswlib", cpu, reached, f"ef {effort}, built in {built:.0f} CPU s")
