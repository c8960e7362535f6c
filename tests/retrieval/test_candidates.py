import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mind.retrieval import Candidates, Catalogue, ExactIndex, top_candidates, top_candidates_batch
from mind.retrieval import candidates as candidates_module
from mind.retrieval import exact as exact_module
from mind.retrieval.crowd import Survivors
from tests.retrieval.bruteforce import as_rows, best_items, same_bits


def catalogue(vectors_VD: np.ndarray) -> Catalogue:
    # Ids such as 10 < 9: their order is not the order of the rows given.
    ids = [str(number) for number in range(len(vectors_VD))]
    return Catalogue.build(ids, vectors_VD, model_version="1", vocabulary="v")


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Catalogue, np.ndarray, list[int], int]:
    """Small integers make many equal scores, drawn rows repeat; the other worlds are any real numbers."""
    dimension, size = draw(st.integers(1, 6)), draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    coarse = draw(st.booleans())

    def vectors(count: int) -> np.ndarray:
        values = rng.integers(-2, 3, (count, dimension)) if coarse else rng.normal(size=(count, dimension))
        values = values.astype(np.float32)
        values[~values.any(axis=1), 0] = 1
        return values

    rows = vectors(size)[rng.integers(0, size, size)]
    excluded = draw(st.lists(st.integers(0, size - 1), max_size=size + 2))
    return catalogue(rows), vectors(draw(st.integers(1, 5))), excluded, draw(st.integers(1, size + 5))


@settings(max_examples=150, deadline=None)
@given(worlds(), st.sampled_from([1, 7, 4096]))
def test_equal_to_brute_force(world: tuple, block: int) -> None:
    items, interests, excluded, n = world
    with pytest.MonkeyPatch.context() as patch:
        # With small blocks the cut rises many times.
        patch.setattr(exact_module, "_ITEMS_AT_ONCE", block)
        found = top_candidates(interests, excluded, items, ExactIndex.build(items), n)
    # Below 8 dimensions the order of summation is the loop's own, so the scores agree to the last bit.
    assert as_rows(found, items) == best_items(interests, excluded, items, n)
    assert len(found.positions) == min(n, items.size - len(set(excluded))) == len(set(found.positions.tolist()))
    assert not set(found.positions.tolist()) & set(excluded)


@settings(max_examples=60, deadline=None)
@given(worlds(), st.data())
def test_same_bits_in_any_batch_order_and_number_of_threads(world: tuple, data: st.DataObject) -> None:
    items, interests, excluded, n = world
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count = data.draw(st.integers(2, 12))
    users = [str(number) for number in range(count)]
    wanted = [interests[rng.permutation(len(interests))[: rng.integers(1, 6)]] for _ in users]
    without = [rng.choice(excluded, len(excluded)) if excluded else [] for _ in users]
    index = ExactIndex.build(items)
    whole = top_candidates_batch(users, wanted, without, items, index, n)
    assert len(whole) == count
    for user in range(count):
        alone = top_candidates(wanted[user], without[user], items, index, n)
        assert same_bits(whole[user], alone)
    turned = top_candidates_batch(users, wanted[::-1], without[::-1], items, index, n)[::-1]
    assert all(same_bits(*pair) for pair in zip(whole, turned, strict=True))


def crowd(size: int = 20_000, users: int = 60) -> tuple[Catalogue, list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(size, 33)).astype(np.float32)
    vectors[:500] = vectors[500:1000]
    interests = [rng.normal(size=(1 + user % 5, 33)) for user in range(users)]
    return catalogue(vectors), interests, [rng.integers(0, size, 7 * (user % 9)) for user in range(users)]


def test_same_bits_at_a_real_size_for_batches_and_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    items, interests, excluded = crowd()
    index, users = ExactIndex.build(items), [str(user) for user in range(60)]
    whole = top_candidates_batch(users, interests, excluded, items, index, 100)
    alone = [top_candidates(*pair, items, index, 100) for pair in zip(interests, excluded, strict=True)]
    monkeypatch.setattr(exact_module, "_INTERESTS_AT_ONCE", 17)
    monkeypatch.setattr(exact_module, "_ITEMS_AT_ONCE", 1000)
    monkeypatch.setattr(candidates_module, "_ITEMS_AT_ONCE", 13)
    other_blocks = top_candidates_batch(users, interests, excluded, items, index, 100)
    for way in (alone, other_blocks):
        assert all(same_bits(*pair) for pair in zip(whole, way, strict=True))
    for user, found in enumerate(whole):
        # float64 with BLAS orders these as the loops do, as no two different items are that close.
        scores_V = (items.vectors_VD.astype(float) @ interests[user].astype(np.float32).T.astype(float)).max(axis=1)
        scores_V[excluded[user]] = -np.inf
        expected = np.lexsort((np.arange(items.size), -scores_V.astype(np.float32)))[:100]
        assert found.positions.tolist() == expected.tolist()


def test_checkerboard() -> None:
    """Even items please even interests, odd ones odd interests, the later the better; the rest scores 0."""
    vectors = np.zeros((40, 2))
    for number in range(40):
        vectors[number, number % 2] = 1 + number
    names = [f"{number:02d}" for number in range(40)]
    items = Catalogue.build(names, vectors, model_version="1", vocabulary="v")
    index = ExactIndex.build(items)
    both = top_candidates([[1, 0], [0, 1]], items.known_positions(["38", "37"]), items, index, 4)
    assert as_rows(both, items) == [("39", 40.0, 1), ("36", 37.0, 0), ("35", 36.0, 1), ("34", 35.0, 0)]
    odd = top_candidates([[0, 2]], [], items, index, 22)
    assert odd.item_ids(items.item_ids)[:20] == [f"{number:02d}" for number in range(39, 0, -2)]
    assert odd.item_ids(items.item_ids)[20:] == ["00", "02"]
    assert odd.scores[19:].tolist() == [4.0, 0.0, 0.0]


def test_equal_vectors_come_in_the_order_of_their_ids() -> None:
    items = catalogue(np.ones((5000, 8)))
    found = top_candidates(np.ones((3, 8)), items.known_positions(["0", "10"]), items, ExactIndex.build(items), 4)
    assert found.item_ids(items.item_ids) == ["1", "100", "1000", "1001"]
    assert found.interest.tolist() == [0] * 4
    assert found.interest.dtype == np.int32
    assert found.scores.dtype == np.float32


def test_items_that_differ_below_float32_are_a_tie_decided_by_id() -> None:
    """The dot products are 1 + 2^-30 and 1: one number in float32, two in float64."""
    items = catalogue(np.array([[1.0, 0.0], [1.0, 2.0**-30]]))
    found = top_candidates([[1.0, 1.0]], [], items, ExactIndex.build(items), 2)
    assert as_rows(found, items) == [("0", 1.0, 0), ("1", 1.0, 0)]


def test_no_negative_zero_is_written() -> None:
    """-1e-18 times 1e-32 is -1e-50, in float32 a negative zero: equal to 0.0, but other bytes."""
    items = catalogue(np.array([[-1e-32, 1.0], [-1.0, 1.0]]))
    found = top_candidates([[1e-18, 0.0]], [1], items, ExactIndex.build(items), 1)
    assert found.scores.tobytes() == np.zeros(1, np.float32).tobytes()


def test_what_float64_rounds_away_does_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products near 1e12 cancel to sums near 1: another order of summation shows even in float32."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 66)).astype(np.float32)
    vectors[:, 33:] = -vectors[:, :33]
    vectors[:, 0] += rng.normal(size=300).astype(np.float32) / 64
    items = catalogue(vectors)
    interest = np.full((1, 66), 1e12)
    whole = top_candidates(interest, [], items, ExactIndex.build(items), 50)
    for block in (1, 7, 64):
        monkeypatch.setattr(candidates_module, "_ITEMS_AT_ONCE", block)
        assert same_bits(top_candidates(interest, [], items, ExactIndex.build(items), 50), whole)


def test_what_lies_within_the_rounding_of_the_last_is_kept() -> None:
    """Two users: the first may be wrong by 0.25 on either side, the second by nothing."""
    survivors = Survivors(np.array([2, 2]), np.array([0.5, 0.0]))
    assert survivors.cut_U.tolist() == [-np.inf, -np.inf]
    for scores in ([4.0, 3.0], [2.5, 3.0], [2.4, 1.0]):
        for user in (0, 1):
            places = np.array([10 * scores[0], 10 * scores[1]], np.int32)
            survivors.add(np.full(2, user), places, np.array(scores, np.float32))
    assert [sorted(places.tolist()) for places in survivors.places()] == [[25, 30, 30, 40], [30, 30, 40]]
    assert 2.49 < survivors.cut_U[0] < 2.5
    assert 2.99 < survivors.cut_U[1] < 3


def test_users_who_saw_too_little_have_no_cut() -> None:
    survivors = Survivors(np.array([3, 1, 1]), np.zeros(3))
    survivors.add(np.array([0, 2, 0]), np.array([5, 7, 6]), np.array([1.0, -2.0, 3.0], np.float32))
    assert [places.tolist() for places in survivors.places()] == [[5, 6], [], [7]]
    assert np.isneginf(survivors.cut_U[:2]).all()


def search(interests: object, excluded: object = (), n: int = 1) -> Candidates:
    items = catalogue(np.ones((3, 2)))
    users, index = ["u1", "u 2"], ExactIndex.build(items)
    return top_candidates_batch(users, [np.ones((1, 2)), interests], [[], excluded], items, index, n)[1]


@pytest.mark.parametrize(
    ("interests", "message"),
    [
        ([[1.0, 1], [np.nan, 1]], "interest 1 has norm nan"),
        ([[np.inf, 1]], "interest 0 has norm inf"),
        ([[1e300, 1]], "interest 0 has norm inf"),
        ([[1, 1], [1, 0], [0, 0]], "interest 2 has norm 0"),
        ([[1e-20, 0]], "interest 0 has norm 1e-20"),
        ([[1, 1, 1]], r"shape \(1, 3\)"),
        ([1, 1], r"shape \(2,\)"),
        (np.ones((0, 2)), "fallback list"),
    ],
)
def test_wrong_interests_are_refused_by_user(interests: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"user 'u 2': .*{message}"):
        search(interests)


@pytest.mark.parametrize("excluded", [[3], [-1], [1.5], ["a"], [[1]]])
def test_wrong_exclusions_are_refused_by_user(excluded: object) -> None:
    with pytest.raises(ValueError, match=r"user 'u 2': exclusions .*known_positions"):
        search(np.ones((1, 2)), excluded)


def test_wrong_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="n is 0"):
        search(np.ones((1, 2)), n=0)
    items = catalogue(np.ones((3, 2)))
    with pytest.raises(ValueError, match="2 users, 1 sets of interests and 1 of exclusions"):
        top_candidates_batch(["a", "b"], [np.ones((1, 2))], [[]], items, ExactIndex.build(items), 1)
    assert top_candidates_batch([], [], [], items, ExactIndex.build(items), 1) == []
    assert len(search(np.ones((1, 2)), [0, 1, 2]).positions) == 0
