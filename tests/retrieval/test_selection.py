"""Lists with a share for every interest and fewer items of one category, against the sentences that define them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mind.retrieval import ExactIndex, IvfIndex, Selection, selected_batch, top_candidates_batch
from tests.retrieval.bruteforce import as_rows, best_items, same_bits
from tests.retrieval.test_approximate import clustered
from tests.retrieval.test_candidates import catalogue, worlds


def slowly_selected(rows: list[tuple], n: int, interests: int, selection: Selection, category: dict) -> list[tuple]:
    """rows: every item that may be recommended, best first, as `best_items` gives them."""
    pool = rows[: n * selection.pool]
    kept = selection.kept(n, interests)
    firsts = [[row for row in rows if row[2] == interest][:kept] for interest in range(interests)]
    reserved = [row for first in firsts for row in first]
    pool = sorted({*pool, *reserved}, key=rows.index)
    # ComiRec's greedy choice over the whole pool, written as its objective says.
    by_greed: list[tuple] = []
    while len(by_greed) < len(pool):
        rest = [row for row in pool if row not in by_greed]
        others = {row: sum(category[row[0]] != category[one[0]] for one in by_greed) for row in rest}
        # max takes the first of equals: the one with the larger score, then with the smaller id.
        by_greed.append(max(rest, key=lambda row: row[1] + selection.diversity * others[row]))
    best = [row for row in by_greed if row in reserved] + [row for row in by_greed if row not in reserved]
    return sorted(best[:n], key=rows.index)


@settings(max_examples=120, deadline=None)
@given(
    worlds(),
    st.sampled_from([0.0, 0.4, 1.0]),
    st.sampled_from([0.0, 0.25, 4.0]),
    st.integers(1, 3),
    st.sampled_from([ExactIndex, IvfIndex]),
    st.integers(0, 2**32 - 1),
)
def test_lists_are_those_of_the_sentences(
    world: tuple, share: float, diversity: float, pool: int, kind: type, seed: int
) -> None:
    items, interests, excluded, n = world
    categories_V = np.random.default_rng(seed).integers(0, 3, items.size).astype(np.int32)
    selection = Selection(interest_share=share, diversity=diversity, pool=pool, categories_V=categories_V)
    # A reach without end: what is tested here is the choice, not what an index misses.
    index = ExactIndex.build(items) if kind is ExactIndex else IvfIndex.build(items, 1e6)
    [found] = selected_batch(["u"], [interests], [excluded], items, index, n, selection)
    every = best_items(interests, excluded, items, items.size)
    category = dict(zip(items.item_ids, categories_V.tolist(), strict=True))
    if not diversity:
        selection = Selection(interest_share=share)
    assert as_rows(found, items) == slowly_selected(every, n, len(interests), selection, category)
    assert len(found.positions) == min(n, len(every))


@pytest.fixture(scope="module")
def crowd() -> tuple:
    items, interests = clustered(4000, 30)
    return items, interests, IvfIndex.build(items)


def test_each_interest_keeps_its_share_although_others_score_higher(crowd: tuple) -> None:
    items, interests, index = crowd
    users, nothing = [str(user) for user in range(30)], [[]] * 30
    # The last interest is so short that none of its items is among the best of the others.
    faint = [np.concatenate([one[:-1], one[-1:] / 50]) if len(one) > 1 else one for one in interests]
    half = Selection(interest_share=0.5)
    found = selected_batch(users, faint, nothing, items, index, 60, half)
    plain = top_candidates_batch(users, faint, nothing, items, index, 60)
    for one, best, interests_KD in zip(found, plain, faint, strict=True):
        count = len(interests_KD)
        counts = np.bincount(one.interest, minlength=count)
        own = ((items.vectors_VD @ interests_KD.T).argmax(axis=1) == count - 1).sum()
        assert len(one.positions) == 60
        assert counts[-1] >= min(half.kept(60, count), own)
        assert set(best.positions[:30].tolist()) <= set(one.positions.tolist()), (
            "what nobody had to give way to is gone"
        )


def test_more_diversity_gives_more_categories_and_the_same_bits_in_any_batch(crowd: tuple) -> None:
    items, interests, index = crowd
    users, nothing = [str(user) for user in range(30)], [[]] * 30
    categories_V = (items.vectors_VD[:, :8].argmax(axis=1)).astype(np.int32)

    def lists(diversity: float) -> list:
        chosen = Selection(diversity=diversity, pool=4, interest_share=0.2, categories_V=categories_V)
        whole = selected_batch(users, interests, nothing, items, index, 50, chosen)
        alone = [selected_batch(["u"], [one], [[]], items, index, 50, chosen)[0] for one in interests]
        assert all(same_bits(*pair) for pair in zip(whole, alone, strict=True))
        return whole

    shown = [np.mean([len(set(categories_V[one.positions])) for one in lists(much)]) for much in (1e-9, 0.02, 1.0)]
    assert shown[0] < shown[1] < shown[2]


def test_off_means_the_best_n_and_diversity_needs_categories(crowd: tuple) -> None:
    items, interests, index = crowd
    [off] = selected_batch(["u"], interests[:1], [[]], items, index, 20, Selection())
    assert same_bits(off, top_candidates_batch(["u"], interests[:1], [[]], items, index, 20)[0])
    with pytest.raises(ValueError, match="needs a category for each of the 4000 items"):
        selected_batch(["u"], interests[:1], [[]], items, index, 20, Selection(diversity=1.0))
    one = catalogue(np.array([[1.0, 0.0]]))
    found = selected_batch(["u"], [[[1.0, 0.0]]], [[0]], one, ExactIndex.build(one), 5, Selection(interest_share=1.0))
    assert not len(found[0].positions)
