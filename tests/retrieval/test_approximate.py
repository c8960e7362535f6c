"""The indexes that may miss an item: how many they miss, and that nothing else about them is approximate."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mind.retrieval import (
    Candidates,
    Catalogue,
    ExactIndex,
    HnswIndex,
    IvfIndex,
    OneUserIndex,
    choice,
    choose,
    clusters,
    recall,
    top_candidates,
    top_candidates_batch,
)
from mind.retrieval import ivf as ivf_module
from tests.retrieval.bruteforce import as_rows, best_items, same_bits
from tests.retrieval.test_candidates import catalogue, worlds

ROOT = Path(__file__).resolve().parents[2]


def clustered(size: int = 12_000, users: int = 40, dimension: int = 24) -> tuple[Catalogue, list[np.ndarray]]:
    """Items around size / 100 directions with spread norms, some twice; users of one to four interests."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(size // 100, dimension))
    vectors = centres[rng.integers(0, len(centres), size)] + 0.6 * rng.normal(size=(size, dimension))
    vectors *= rng.lognormal(0, 0.3, (size, 1)) / np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[:200] = vectors[200:400]
    near = vectors[rng.integers(0, size, 4 * users)] + 0.05 * rng.normal(size=(4 * users, dimension))
    return catalogue(vectors), [near[4 * user : 4 * user + 1 + user % 4].astype(np.float32) for user in range(users)]


@pytest.fixture(scope="module")
def world() -> tuple[Catalogue, list[np.ndarray], IvfIndex]:
    items, interests = clustered()
    return items, interests, IvfIndex.build(items)


def batch(items: Catalogue, interests: list[np.ndarray], index: object, n: int = 100) -> list[Candidates]:
    excluded = [np.arange(user % 5 * 40) for user in range(len(interests))]
    return top_candidates_batch([str(user) for user in range(len(interests))], interests, excluded, items, index, n)


@settings(max_examples=60, deadline=None)
@given(worlds(), st.sampled_from(["ivf", "hnsw", "one user"]), st.sampled_from([0.0, 1.0]))
def test_exactly_n_true_scores_in_order_and_no_exclusion(world: tuple, kind: str, reach: float) -> None:
    items, interests, excluded, n = world
    index = HnswIndex.build(items, reach) if kind == "hnsw" else IvfIndex.build(items, reach)
    index = OneUserIndex(index) if kind == "one user" else index
    found = as_rows(top_candidates(interests, excluded, items, index, n), items)
    every = {row[0]: row for row in best_items(interests, excluded, items, items.size)}
    assert len({row[0] for row in found}) == len(found) == min(n, len(every))
    assert all(every[row[0]] == row for row in found)
    assert found == sorted(found, key=lambda row: (-row[1], row[0]))


@pytest.mark.parametrize(("reach", "least"), [(1.0, 0.95), (2.0, 0.995), (3.0, 0.999)])
def test_recall_grows_with_the_reach(world: tuple, reach: float, least: float) -> None:
    items, interests, index = world
    best = batch(items, interests, ExactIndex.build(items))
    reaching = IvfIndex(index.arrays, items.fingerprint, reach)
    for way in (reaching, OneUserIndex(reaching)):
        shares = [recall(*pair) for pair in zip(batch(items, interests, way), best, strict=True)]
        assert least < np.mean(shares) <= 1


def test_it_does_not_read_everything(world: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    items, interests, index = world
    pairs: list[int] = []
    plain = IvfIndex._read

    def counted(self: IvfIndex, list_P: np.ndarray, *rest: object) -> None:
        pairs.append(len(list_P))
        plain(self, list_P, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(IvfIndex, "_read", counted)
    batch(items, interests, IvfIndex(index.arrays, items.fingerprint, 1.5), n=20)
    assert sum(pairs) < 0.3 * len(index.arrays["cluster"]) * sum(len(one) for one in interests)


def test_a_reach_without_end_finds_what_the_exact_index_finds(world: tuple) -> None:
    items, interests, index = world
    best = batch(items, interests, ExactIndex.build(items))
    endless = IvfIndex(index.arrays, items.fingerprint, 100.0)
    for way in (endless, OneUserIndex(endless)):
        assert all(same_bits(*pair) for pair in zip(batch(items, interests, way), best, strict=True))


def test_same_bits_alone_in_any_batch_and_order(world: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    items, interests, index = world
    whole = batch(items, interests, index)
    turned = top_candidates_batch(
        [str(user) for user in range(40)],
        interests[::-1],
        [np.arange(user % 5 * 40) for user in range(40)][::-1],
        items,
        index,
        100,
    )[::-1]
    alone = [
        top_candidates(interests_KD, np.arange(user % 5 * 40), items, index, 100)
        for user, interests_KD in enumerate(interests)
    ]
    monkeypatch.setattr(ivf_module, "_USERS_AT_ONCE", 7)
    few = batch(items, interests, index)
    for way in (turned, alone, few):
        assert all(same_bits(*pair) for pair in zip(whole, way, strict=True))


def fingerprint(index: IvfIndex, found: list[Candidates]) -> str:
    digest = hashlib.sha256()
    for part in IvfIndex.PARTS:
        digest.update(np.ascontiguousarray(index.arrays[part]).tobytes())
    for one in found:
        digest.update(one.positions.tobytes() + one.scores.tobytes() + one.interest.tobytes())
    return digest.hexdigest()


def test_another_processor_and_number_of_threads_give_the_same_index_and_lists() -> None:
    """OpenBLAS made to use the kernels of a processor of 2008 adds in another order, and without fused products."""
    items, interests = clustered(6000, 16, 64)
    index = IvfIndex.build(items)
    code = (
        "from tests.retrieval.test_approximate import *\n"
        "items, interests = clustered(6000, 16, 64)\n"
        "index = IvfIndex.build(items)\n"
        "print(fingerprint(index, batch(items, interests, index)))"
    )
    environment = os.environ | {"OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    assert done.stdout.strip() == fingerprint(index, batch(items, interests, index)), done.stderr[-2000:]


def test_products_of_bytes_are_exact_in_float32() -> None:
    """The largest whole numbers that a query and an item may hold, in the dimensions where the sum is longest."""
    for dimension in (1, 3, 64, 65, 512, 3000):
        levels = ivf_module.query_levels(dimension)
        assert 127 * levels * dimension < 2**24
        assert levels >= 40 or dimension > 3000


def test_equal_and_opposite_items_and_a_catalogue_of_one() -> None:
    same = catalogue(np.ones((700, 3)))
    found = top_candidates(np.ones((2, 3)), [0], same, IvfIndex.build(same), 5)
    assert as_rows(found, same) == best_items(np.ones((2, 3), np.float32), [0], same, 5)
    opposite = catalogue(np.array([[1.0, 0], [-1, 0]] * 50))
    found = top_candidates([[-2.0, 0]], [], opposite, IvfIndex.build(opposite), 60)
    assert found.scores.tolist() == [2.0] * 50 + [-2.0] * 10
    one = catalogue(np.array([[0.0, 3.0]]))
    assert top_candidates([[1.0, -1]], [], one, IvfIndex.build(one), 9).scores.tolist() == [-3.0]


def test_the_index_is_chosen_by_size_and_recall(world: tuple) -> None:
    items, interests = clustered(3000, 12)

    def kind(asked: str, least: float, exact_items: int, sample: list[np.ndarray] = interests) -> str:
        return choose(items, asked, least, exact_items, sample, 50).kind

    assert kind("auto", 0.9, 3000) == kind("exact", 0.9, 10) == kind("auto", 1.0, 10) == "exact"
    assert kind("ivf", 0.9, 3000, []) == "exact"
    assert kind("auto", 0.9, 2999) == kind("ivf", 0.9, 3000) == "ivf"
    assert kind("hnsw", 0.5, 3000) == "hnsw"
    crowd, few = world[:2]
    low, high = (choose(crowd, "ivf", least, 0, few, 100) for least in (0.5, 0.995))
    assert isinstance(low, IvfIndex)
    assert isinstance(high, IvfIndex)
    assert low.reach == 1 < high.reach


def test_a_recall_that_cannot_be_had_is_had_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    items, interests = clustered(3000, 12)
    monkeypatch.setitem(choice._REACHES, "ivf", (0.0,))
    assert choose(items, "ivf", 0.999, 0, interests, 50).kind == "exact"


def test_recall_is_a_share_of_the_exact_list() -> None:
    def some(*positions: int) -> Candidates:
        size = len(positions)
        return Candidates(np.array(positions, np.int64), np.zeros(size, np.float32), np.zeros(size, np.int32))

    assert recall(some(9, 2, 7), some(2, 4, 7, 5)) == 2 / 4
    assert recall(some(1, 2), some(2, 1)) == 1
    assert recall(some(1), some(3)) == 0
    assert recall(some(), some()) == 1


def test_many_directions_are_compared_by_groups_and_little_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    items, _ = clustered(6000, 1)
    bytes_VD = clusters.in_bytes(items.vectors_VD)
    whole_CD = clusters.whole(clusters.directions(bytes_VD, 150, 1))
    best_V = clusters.assign(bytes_VD, whole_CD)
    monkeypatch.setattr(clusters, "_COMPARED_ALL", 100)
    monkeypatch.setattr(clusters, "_GROUPED_BLOCK", 700)
    found_V = clusters.assign(bytes_VD, whole_CD)
    units_VD = items.vectors_VD / np.linalg.norm(items.vectors_VD, axis=1, keepdims=True)
    units_CD = whole_CD / np.linalg.norm(whole_CD, axis=1, keepdims=True)
    cosines = [(units_VD * units_CD[label_V]).sum(axis=1).mean() for label_V in (best_V, found_V)]
    assert (found_V == best_V).mean() > 0.95
    assert cosines[1] > cosines[0] - 0.005
