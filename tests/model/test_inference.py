"""A user's and an item's vectors are the same bits, whatever stands beside them."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

import mind.model
from mind.model import AGE_BUCKETS, MIND, Interests, model_health, save
from mind.model.arithmetic import ORDER_FREE
from tests.model.worlds import SIZES, ages_of, batch, small_model

# Odd sizes: library products at these gave other bits at other positions of one block.
ODD: dict[str, object] = {"dimension": 65, "hidden_sizes": (129,), "interests": 7, "history_length": 33}
SHAPES: tuple[dict[str, object], ...] = (
    {**ODD, "recency": True, "context": True, "residual": True, "behaviour_time": True},
    ODD,
    {},
)


def odd_model(start: str, shape: dict[str, object]) -> MIND:
    return small_model(routing_start=start, mapping_scale=8.0, adaptive_interests=False, **shape)


def parts(age_BL: Tensor | None, rows: Tensor | slice) -> Tensor | None:
    return None if age_BL is None else age_BL[rows]


def same(left: Interests, right: Interests, rows: Tensor | slice = slice(None)) -> bool:
    return all(torch.equal(a, b[rows]) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("start", ["normal", "farthest"])
def test_users_do_not_see_their_neighbours(start: str, shape: dict[str, object]) -> None:
    model = odd_model(start, shape)
    history_BL, profile_BP, _ = batch(300, width=30)
    age_BL = ages_of(model, history_BL)
    whole = model.infer(history_BL, profile_BP, age_BL=age_BL)
    assert whole.vectors_BKD.dtype == torch.float32
    assert same(model.infer(history_BL, profile_BP, age_BL=age_BL), whole)
    for block in (1000, 37):
        assert same(model.infer(history_BL, profile_BP, block=block, age_BL=age_BL), whole)
    for row in (0, 1, 131, 255, 256, 299):
        one = slice(row, row + 1)
        assert same(model.infer(history_BL[one], profile_BP[one], age_BL=parts(age_BL, one)), whole, one)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(4))
    assert same(model.infer(history_BL[order], profile_BP[order], age_BL=parts(age_BL, order)), whole, order)


@pytest.mark.parametrize("start", ["normal", "farthest"])
def test_one_user_at_every_position_of_a_block(start: str) -> None:
    model = odd_model(start, SHAPES[0])
    history_BL, profile_BP, _ = batch(64, width=33, seed=1)
    history_BL[:] = history_BL[history_BL.count_nonzero(dim=1).argmax()].clone()
    profile_BP[:] = torch.tensor([3, 2])
    others_BL = batch(64, width=33, seed=2)[0]
    age_BL = ages_of(model, torch.ones_like(history_BL))
    assert age_BL is not None
    age_BL[:] = age_BL[0].clone()
    # In float64, before the rounding to float32 that would hide nearly every difference.
    with torch.no_grad():
        alone = model.interests(history_BL[:1], profile_BP[:1], age_BL=age_BL[:1], arithmetic=ORDER_FREE)
        assert alone.vectors_BKD.dtype == torch.float64
        for position in range(64):
            mixed_BL = others_BL.clone()
            mixed_BL[position] = history_BL[0]
            found = model.interests(mixed_BL, profile_BP, age_BL=age_BL, arithmetic=ORDER_FREE)
            assert same(alone, found, slice(position, position + 1))


def test_padding_does_not_change_bits() -> None:
    model = odd_model("farthest", SHAPES[0])
    history_BL, profile_BP, _ = batch(50, width=20)
    age_BL = ages_of(model, history_BL)
    assert age_BL is not None
    whole = model.infer(history_BL, profile_BP, age_BL=age_BL)
    for before, after in ((5, 0), (0, 9), (40, 3)):
        # What stands in the place of an age beside padding means nothing.
        padded_BL = torch.nn.functional.pad(history_BL, (before, after))
        beside_BL = torch.nn.functional.pad(age_BL, (before, after), value=7)
        assert same(model.infer(padded_BL, profile_BP, age_BL=beside_BL), whole)


def test_threads_do_not_change_bits() -> None:
    model = odd_model("normal", SHAPES[0])
    history_BL, profile_BP, _ = batch(300, width=30)
    age_BL = ages_of(model, history_BL)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone, items = model.infer(history_BL, profile_BP, age_BL=age_BL), model.catalogue_vectors()[1]
        for count in (2, 3):
            torch.set_num_threads(count)
            assert same(model.infer(history_BL, profile_BP, age_BL=age_BL), alone)
            assert torch.equal(model.catalogue_vectors()[1], items)
    finally:
        torch.set_num_threads(threads)


def digest(interests: Interests, items_MD: Tensor) -> str:
    tensors = (interests.vectors_BKD, interests.active_BK, interests.weights_BLK, items_MD)
    return hashlib.sha256(repr([tensor.tolist() for tensor in tensors]).encode()).hexdigest()


def test_another_process_gives_the_same_bits(tmp_path: Path) -> None:
    model = odd_model("farthest", SHAPES[0])
    save(model, tmp_path, {})
    history_BL, profile_BP, _ = batch(40, width=30)
    age_BL = ages_of(model, history_BL)
    torch.save((history_BL, profile_BP, age_BL), tmp_path / "users.pt")
    here = digest(model.infer(history_BL, profile_BP, age_BL=age_BL), model.catalogue_vectors()[1])
    script = (
        "import sys, torch; from mind.model import load; from tests.model.test_inference import digest\n"
        "torch.set_num_threads(1); model, _ = load(sys.argv[1])\n"
        "history, profile, age = torch.load(sys.argv[1] + '/users.pt')\n"
        "print(digest(model.infer(history, profile, block=7, age_BL=age), model.catalogue_vectors(block=3)[1]))"
    )
    root = Path(mind.model.__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=root, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == here


def test_items_do_not_see_their_neighbours() -> None:
    model = odd_model("normal", SHAPES[0])
    items_M, vectors_MD = model.catalogue_vectors()
    assert items_M.tolist() == list(range(2, SIZES[0]))
    assert torch.equal(model.catalogue_vectors(block=5)[1], vectors_MD)
    order = torch.randperm(len(items_M), generator=torch.Generator().manual_seed(1))
    assert torch.equal(model.infer_items(items_M[order]), vectors_MD[order])
    assert torch.equal(model.infer_items(items_M[7:8]), vectors_MD[7:8])


@pytest.mark.parametrize("time", [True, False])
@pytest.mark.parametrize("normalise", [True, False])
def test_stored_vectors_are_those_of_training(normalise: bool, time: bool) -> None:
    model = small_model(normalise=normalise, routing_start="farthest", behaviour_time=time)
    history_BL, profile_BP, _ = batch(50)
    # Without a behaviour and a profile, an untrained head gives a zero vector.
    history_BL[:, 0] = 3
    age_BL = ages_of(model, history_BL)
    trained, served = (compute(history_BL, profile_BP, age_BL=age_BL) for compute in (model.interests, model.infer))
    torch.testing.assert_close(served.vectors_BKD, trained.vectors_BKD, rtol=1e-3, atol=2e-5)
    items_M, vectors_MD = model.catalogue_vectors()
    torch.testing.assert_close(vectors_MD, model.item_vectors(items_M), rtol=1e-3, atol=2e-6)
    lengths_BK = served.vectors_BKD.norm(dim=-1)
    if normalise:
        assert (lengths_BK[served.active_BK] - 1).abs().max() < 1e-6
        assert (vectors_MD.norm(dim=-1) - 1).abs().max() < 1e-6
    assert not lengths_BK[~served.active_BK].any()


def test_users_without_behaviours_get_one_interest_from_their_profile() -> None:
    model = small_model()
    history_BL = torch.zeros(2, 4, dtype=torch.long)
    served = model.infer(history_BL, torch.tensor([[2, 2], [3, 1]]))
    assert served.active_BK.tolist() == [[True, False, False]] * 2
    assert not served.weights_BLK.any()
    assert torch.isfinite(served.vectors_BKD).all()
    assert not torch.equal(served.vectors_BKD[0, 0], served.vectors_BKD[1, 0])


def test_no_users_and_wrong_shapes() -> None:
    model = small_model()
    assert model.infer(*batch(0)[:2]).vectors_BKD.shape == (0, 3, 8)
    with pytest.raises(ValueError, match="block is 0"):
        model.infer(*batch(3)[:2], block=0)
    with pytest.raises(ValueError, match="history has shape \\(3,\\)"):
        model.infer(torch.tensor([1, 2, 3]), torch.zeros(3, 2, dtype=torch.long))


def test_a_model_of_ages_says_that_they_are_missing_wrong_or_not_beside_the_history() -> None:
    model = small_model(behaviour_time=True)
    history_BL, profile_BP, target_BF = batch(3)
    age_BL = ages_of(model, history_BL)
    assert age_BL is not None
    calls = (
        lambda age: model.infer(history_BL, profile_BP, age_BL=age),
        lambda age: model.interests(history_BL, profile_BP, age_BL=age),
        lambda age: model(history_BL, profile_BP, target_BF, torch.arange(2, 9), torch.zeros(7), age_BL=age),
        lambda age: model_health(model, history_BL, profile_BP, target_BF[:, 0], age_BL=age),
        lambda age: model.check_batch(history_BL, profile_BP, target_BF, age),
    )
    for call in calls:
        call(age_BL)
        with pytest.raises(ValueError, match="age_BL is None, the model was made with behaviour_time"):
            call(None)
        with pytest.raises(ValueError, match=r"age_BL has shape \(3, 9\), the history \(3, 10\)"):
            call(age_BL[:, 1:])
    for wrong in (0, AGE_BUCKETS + 1, -1):
        with pytest.raises(ValueError, match=f"{wrong}.*allowed are 1 to {AGE_BUCKETS}"):
            model.check_batch(history_BL, profile_BP, target_BF, torch.where(history_BL != 0, wrong, 0))
    small_model().infer(history_BL, profile_BP, age_BL=age_BL)


def test_order_free_arithmetic_is_accurate_and_exact() -> None:
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(5, 9, 301, generator=generator, dtype=torch.float64) * 1e3
    b = torch.randn(5, 301, 4, generator=generator, dtype=torch.float64) * 1e-4
    order = torch.randperm(301, generator=generator)
    product = ORDER_FREE.product(a, b)
    assert torch.equal(product, ORDER_FREE.product(a[..., order], b[:, order]))
    torch.testing.assert_close(product, a @ b, rtol=0, atol=2e-5 * float((a @ b).abs().max()))
    logits = torch.linspace(-80, 5, 60, dtype=torch.float64).reshape(1, 12, 5)
    logits[0, 3, 1:] = float("-inf")
    torch.testing.assert_close(ORDER_FREE.softmax(logits), logits.softmax(dim=-1), rtol=0, atol=1e-7)
    assert ORDER_FREE.softmax(logits)[0, 3].tolist() == [1.0, 0, 0, 0, 0]
