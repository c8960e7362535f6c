"""One user who waits: the lists that are read, and that nothing else about the answer is another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mind.retrieval import Catalogue, Expected, IvfIndex, OneUserIndex, read, top_candidates, write
from tests.retrieval.bruteforce import same_bits
from tests.retrieval.test_approximate import batch, clustered


@pytest.fixture(scope="module")
def world() -> tuple[Catalogue, list[np.ndarray], IvfIndex]:
    items, interests = clustered()
    return items, interests, IvfIndex.build(items)


def test_threads_that_each_ask_for_a_user_get_what_one_after_the_other_gives(world: tuple) -> None:
    items, interests, index = world
    asked = OneUserIndex(index)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: top_candidates(one, [], items, asked, 100), interests))
    assert all(
        same_bits(one, top_candidates(interests_KD, [], items, asked, 100))
        for one, interests_KD in zip(found, interests, strict=True)
    )


def test_one_user_alone_reads_a_part_and_no_list_twice(world: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    items, interests, index = world
    asked = OneUserIndex(IvfIndex(index.arrays, items.fingerprint, 1.5))
    lists: list[int] = []
    plain = asked._scan

    def counted(*arguments: object) -> object:
        lists.extend(arguments[6].tolist())  # type: ignore[attr-defined]
        return plain(*arguments)

    monkeypatch.setattr(asked, "_scan", counted)
    share = []
    for interests_KD in interests:
        top_candidates(interests_KD, [], items, asked, 20)
        assert len(lists) == len(set(lists))
        share.append(len(lists) / len(index.arrays["cluster"]))
        lists.clear()
    assert 0 < np.mean(share) < 0.5


def test_one_user_is_answered_from_an_index_that_was_written(world: tuple, tmp_path: Path) -> None:
    items, interests, index = world
    write(index, items, tmp_path)
    mapped, again = read(tmp_path, Expected(model_version="1", vocabulary="v", dimension=items.dimension))
    assert isinstance(mapped, IvfIndex)
    found, held = (
        batch(*one) for one in ((again, interests, OneUserIndex(mapped)), (items, interests, OneUserIndex(index)))
    )
    assert all(same_bits(*pair) for pair in zip(found, held, strict=True))
