"""Retrieval against faiss and hnswlib on one million clustered items with spread norms: `make bench-retrieve`.

The world is that of `clustered_items`. Shapes: V items, D dimensions.

Everything runs on one thread in one process, the rivals in turn, three rounds. Ratios are of CPU seconds, which
on an idle machine are the seconds of the clock; so a busy machine favours nobody. faiss and hnswlib are timed for
the search alone; ours for the whole list: merged by item, scored exactly, sorted. Latency is by the
clock, of one user alone: interests by a model with as many items (untrained, history of 50), then the list
by an OneUserIndex.

QUICK=1 takes 100,000 items and leaves out the 10 million; the names of its numbers say 100k.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import gc
import resource
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch

from mind.model import MIND
from mind.retrieval import (
    Candidates,
    Catalogue,
    ExactIndex,
    OneUserIndex,
    choose,
    recall,
    top_candidates,
    top_candidates_batch,
)
from tests.bench.clustered_items import DIMENSION, INTERESTS, catalogue_of, users
from tests.bench.record import record
from tests.bench.retrieve_night import night
from tests.bench.retrieve_peers import Ours, against_hnswlib, against_ivf, seconds, show

HISTORY = 50
MODEL_ITEMS = 1_000_000
RECALL = 0.99
ROUNDS = 3
PARTS = ("compare", "growth", "night", "latency")


def lists(interests: Sequence[np.ndarray], catalogue: Catalogue, index: Any, wanted: int) -> list[Candidates]:
    names, nothing = [str(user) for user in range(len(interests))], [[]] * len(interests)
    return top_candidates_batch(names, interests, nothing, catalogue, index, wanted)


def one_user_ms(catalogue: Catalogue, index: Any, interests: Sequence[np.ndarray], wanted: int) -> tuple[float, float]:
    """The 99th percentile and the median of one user alone, by the clock; the first third of the users warms up."""
    torch.set_num_threads(1)
    size = min(catalogue.size, MODEL_ITEMS)  # more would only take memory: a history reads 50 rows
    network = MIND(item_features_VF=torch.arange(size)[:, None], feature_sizes=[size], history_length=HISTORY)
    histories = torch.randint(2, size, (len(interests), 1, HISTORY), generator=torch.Generator().manual_seed(3))
    nobody = torch.empty((1, 0), dtype=torch.int32)

    def serve(history_BL: torch.Tensor, searched: np.ndarray) -> None:
        network.infer(history_BL, nobody)
        top_candidates(searched, [], catalogue, index, wanted)

    calls = zip(histories, interests, strict=True)
    times = [seconds(lambda pair=pair: serve(*pair))[1] for pair in calls]
    warm = times[len(times) // 3 :]
    return float(np.quantile(warm, 0.99)) * 1e3, float(np.median(warm)) * 1e3


def compare(size: int, count: int, wanted: int, name: str, folder: Path) -> None:
    """Exact and approximate lists against IndexFlatIP, IndexIVFFlat and hnswlib, on one thread."""
    faiss.omp_set_num_threads(1)
    catalogue = catalogue_of(size, folder)
    vectors_VD = catalogue.vectors_VD
    sample, crowd = users(vectors_VD, 128, seed=1), users(vectors_VD, count, seed=2)
    exact = ExactIndex.build(catalogue)
    built, _, index = seconds(lambda: choose(catalogue, "ivf", RECALL, 0, sample, wanted))
    show(f"{size:,} items: {index.kind} with reach {index.reach}, built and measured in {built:.0f} CPU s")
    flat = faiss.IndexFlatIP(DIMENSION)
    flat.add(vectors_VD)
    few, some = crowd[: max(8, count // 32)], crowd[: max(16, count // 4)]
    rows = np.concatenate(few)
    per_user: dict[str, list[tuple[float, float]]] = {"flat": [], "exact": [], "approx": []}
    for _ in range(ROUNDS):
        for kind, work, asked in (
            ("flat", lambda: flat.search(rows, wanted), few),
            ("exact", lambda: lists(some, catalogue, exact, wanted), some),
            ("approx", lambda: lists(crowd, catalogue, index, wanted), crowd),
        ):
            cpu, clock, found = seconds(work)
            per_user[kind].append((cpu / len(asked), clock / len(asked)))
            if kind == "exact":
                best = found
            if kind == "approx":
                got = found[: len(some)]
    ms = {kind: tuple(np.median(times, axis=0) * 1e3) for kind, times in per_user.items()}
    show("ms a user (CPU, clock): " + ", ".join(f"{kind} {cpu:.2f}, {clock:.2f}" for kind, (cpu, clock) in ms.items()))
    reached = float(np.mean([recall(*pair) for pair in zip(got, best, strict=True)]))
    values = {
        "approx.over_flat_ip": ms["flat"][0] / ms["approx"][0],
        "exact.over_flat_ip": ms["flat"][0] / ms["exact"][0],
        "approx.recall": reached,
        "approx.ms_per_user": ms["approx"][0],
        "exact.ms_per_user": ms["exact"][0],
        "exact.gflops": 2e-9 * size * DIMENSION * INTERESTS / (ms["exact"][0] / 1e3),
        "one_user_p99_ms": one_user_ms(catalogue, OneUserIndex(index), crowd[:300], wanted)[0],
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    record({f"retrieve.{name}.{key}": float(value) for key, value in values.items()})
    show(str({key: round(float(value), 4) for key, value in values.items()}))
    ours = Ours(name, vectors_VD, few, best[: len(few)], wanted, reached, ms["approx"][0])
    against_ivf(ours)
    against_hnswlib(ours)


def growth(size: int, wanted: int, folder: Path) -> None:
    """Rows of the table: what a million users cost, by users at once."""
    catalogue = catalogue_of(size, folder)
    sample, crowd = users(catalogue.vectors_VD, 64, seed=1), users(catalogue.vectors_VD, 1024, seed=2)
    index, exact = choose(catalogue, "ivf", RECALL, 0, sample, wanted), ExactIndex.build(catalogue)
    for count in (128, 1024):
        for kind, asked, searched in (("exact", exact, crowd[: count // 8]), ("approx", index, crowd[:count])):
            cpu, _, _ = seconds(lambda asked=asked, searched=searched: lists(searched, catalogue, asked, wanted))
            hours = cpu / len(searched) * 1e6 / 3600
            show(f"{size:>9,} items, {len(searched):>5,} users at once, {kind}: {hours:.2f} core hours a million users")
            record({f"retrieve.cost.{called(size)}.{len(searched)}_users.{kind}.core_hours_per_million": hours})


def latency(size: int, wanted: int, name: str, folder: Path) -> None:
    """One user alone in a larger catalogue."""
    catalogue = catalogue_of(size, folder)
    sample, crowd = users(catalogue.vectors_VD, 32, seed=1), users(catalogue.vectors_VD, 300, seed=2)
    built, _, index = seconds(lambda: choose(catalogue, "ivf", RECALL, 0, sample, wanted))
    show(f"{size:,} items: {index.kind} with reach {index.reach}, built and measured in {built:.0f} CPU s")
    alone = OneUserIndex(index)
    slowest, middle = one_user_ms(catalogue, alone, crowd, wanted)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    some = crowd[:32]
    pairs = zip(*(lists(some, catalogue, way, wanted) for way in (alone, ExactIndex.build(catalogue))), strict=True)
    reached = float(np.mean([recall(*pair) for pair in pairs]))
    show(f"{size:,} items: one user p99 {slowest:.1f} ms, median {middle:.1f}; {peak:.1f} GB; recall {reached:.4f}")
    values = {"one_user_p99_ms": slowest, "one_user_recall": reached, "peak_gb": peak}
    record({f"retrieve.{name}.{key}": value for key, value in values.items()})


def called(size: int) -> str:
    """1m for 1,000,000."""
    return f"{size // 1_000_000}m" if size % 1_000_000 == 0 else f"{size // 1000}k"


def main() -> None:
    quick = bool(os.environ.get("QUICK"))
    options = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    options.add_argument("--items", type=int, default=100_000 if quick else 1_000_000)
    options.add_argument("--large", type=int, default=0 if quick else 10_000_000, help="items, latency only; 0: none")
    options.add_argument("--users", type=int, default=256 if quick else 2048)
    options.add_argument("--wanted", type=int, default=1000, help="N")
    options.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if "compare" in asked.parts:
            compare(asked.items, asked.users, asked.wanted, called(asked.items), folder)
        if "growth" in asked.parts:
            for size in (asked.items // 10, asked.items // 3):
                growth(size, asked.wanted, folder)
        if "night" in asked.parts:
            record(night(folder, items=asked.items // 10, users=asked.users * 16, wanted=asked.wanted))
        gc.collect()
        if "latency" in asked.parts and asked.large:
            latency(asked.large, asked.wanted, called(asked.large), folder)


if __name__ == "__main__":
    main()
