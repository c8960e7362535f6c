"""Routing: the count of interests, squash, padding, and the two starts."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mind.model import farthest_start, interest_count, normal_start, pack_history, route, squash
from tests.model.worlds import batch, small_model

HISTORIES = st.lists(st.integers(1, 39), min_size=0, max_size=10)


def pad(history: list[int], before: int, after: int) -> torch.Tensor:
    return torch.tensor([[0] * before + history + [0] * after])


def test_interest_count_by_the_papers_table() -> None:
    lengths = torch.tensor([0, 1, 2, 3, 4, 7, 8, 16, 32])
    assert interest_count(lengths, 99).tolist() == [1, 1, 1, 1, 2, 2, 3, 4, 5]
    assert interest_count(lengths, 3).tolist() == [1, 1, 1, 1, 2, 2, 3, 3, 3]


@given(st.integers(1, 2**61), st.integers(1, 80))
def test_interest_count_is_the_exact_logarithm(n: int, interests: int) -> None:
    expected = max(1, min(interests, n.bit_length() - 1))
    assert interest_count(torch.tensor([n]), interests).item() == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-4, 1.0, 300.0, 1e6])
def test_squash_is_finite_in_value_and_gradient(dtype: torch.dtype, size: float) -> None:
    z = torch.full((2, 5), size, dtype=dtype, requires_grad=True)
    u = squash(z)
    u.float().sum().backward()
    assert u.dtype == dtype
    assert torch.isfinite(u).all()
    assert torch.isfinite(z.grad).all()
    expected = size * size * 5 / (1 + size * size * 5)
    assert u[0].double().norm().item() == pytest.approx(expected, rel=1e-2, abs=1e-6)


@given(HISTORIES, st.integers(0, 7), st.integers(0, 7), st.sampled_from(["normal", "farthest"]))
def test_interests_do_not_depend_on_padding(history: list[int], before: int, after: int, start: str) -> None:
    model = small_model(routing_start=start, history_length=30).double()
    profile_BP = torch.tensor([[2, 1]])
    plain = model.interests(pad(history, 0, 10), profile_BP, salt=3)
    padded = model.interests(pad(history, before, after + 1), profile_BP, salt=3)
    torch.testing.assert_close(plain.vectors_BKD, padded.vectors_BKD, rtol=0, atol=1e-9)
    assert torch.equal(plain.active_BK, padded.active_BK)


@given(HISTORIES, st.integers(0, 5), st.integers(0, 5), st.integers(1, 12))
def test_packing_keeps_the_most_recent_in_order(history: list[int], before: int, after: int, length: int) -> None:
    packed = pack_history(pad(history, before, after + 1), length)
    kept = history[-length:]
    assert packed.tolist() == [kept + [0] * (length - len(kept))]


def test_long_histories_are_routed_by_their_most_recent_part() -> None:
    model = small_model(history_length=4).double()
    profile_BP = torch.tensor([[1, 1]])
    long = model.interests(torch.tensor([[9, 8, 2, 3, 0, 4, 5]]), profile_BP)
    assert torch.equal(long.vectors_BKD, model.interests(torch.tensor([[2, 3, 4, 5]]), profile_BP).vectors_BKD)
    other = model.interests(torch.tensor([[9, 8, 2, 3]]), profile_BP)
    assert (long.vectors_BKD - other.vectors_BKD).abs().max() > 1e-3


def test_weights_are_a_softmax_over_active_interests_of_real_behaviours() -> None:
    history_BL, profile_BP, _ = batch(30)
    found = small_model().interests(history_BL, profile_BP)
    real_BL = history_BL != 0
    assert found.weights_BLK.sum(dim=-1)[real_BL].tolist() == pytest.approx([1.0] * int(real_BL.sum()), abs=1e-5)
    assert not found.weights_BLK[~real_BL].any()
    assert not found.weights_BLK.transpose(1, 2)[~found.active_BK].any()


def test_only_the_last_weighted_sum_carries_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    mapped_BLD = torch.randn(2, 5, 4, generator=generator).requires_grad_()
    start_BLK = torch.randn(2, 5, 3, generator=generator)
    everything = torch.ones(2, 5, dtype=torch.bool), torch.ones(2, 3, dtype=torch.bool)
    routed = route(mapped_BLD, everything[0], start_BLK, everything[1], 4)
    assert not routed.weights_BLK.requires_grad
    (gradient,) = torch.autograd.grad(routed.capsules_BKD.square().sum(), mapped_BLD)
    again = squash(routed.weights_BLK.transpose(1, 2) @ mapped_BLD)
    (expected,) = torch.autograd.grad(again.square().sum(), mapped_BLD)
    torch.testing.assert_close(gradient, expected)


def test_normal_start_is_normal_and_varies_with_all_that_it_should() -> None:
    generator = torch.Generator().manual_seed(1)
    history_BL = torch.randint(2, 1000, (800, 20), generator=generator)
    start_BLK = normal_start(history_BL, 4, sigma=2.0)
    assert start_BLK.mean().abs() < 0.04
    assert start_BLK.std().item() == pytest.approx(2.0, rel=0.02)
    share = (start_BLK.abs() > 2 * 1.96).double().mean().item()
    assert share == pytest.approx(0.05, abs=0.004)
    flat = start_BLK.reshape(800, -1)
    neighbours = torch.corrcoef(flat.T)
    assert (neighbours - torch.eye(80)).abs().max() < 0.2
    other_order = normal_start(history_BL.flip(1), 4, sigma=2.0)
    for other in (normal_start(history_BL, 4, 2.0, salt=1), other_order):
        correlation = torch.corrcoef(torch.stack([start_BLK.flatten(), other.flatten()]))[0, 1]
        assert correlation.abs() < 0.02
    assert torch.equal(normal_start(history_BL, 2, 2.0), start_BLK[..., :2])


def test_farthest_start_seeds_by_hand() -> None:
    angles = [0.0, 100.0, 10.0, 200.0, 90.0]
    mapped = [[3.0 * math.cos(math.radians(a)), 3.0 * math.sin(math.radians(a))] for a in angles]
    mapped_BLD = torch.tensor([[[0.0, 0.0], *mapped, [0.0, 0.0]]], dtype=torch.float64)
    mask_BL = torch.tensor([[False] + [True] * 5 + [False]])
    start_BLK = farthest_start(mapped_BLD, mask_BL, 3, start_scale=5.0)
    # Most recent: 90 degrees. Farthest from it: 200 (cosine of 110 degrees). Then 0, not 10 nor 100.
    expected = [[5.0 * math.cos(math.radians(angle - seed)) for seed in (90.0, 200.0, 0.0)] for angle in angles]
    assert start_BLK[0, 1:6].flatten().tolist() == pytest.approx([x for row in expected for x in row])


def test_farthest_start_prefers_the_most_recent_of_equals() -> None:
    mapped_BLD = torch.tensor([[[-1.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]])
    mask_BL = torch.ones(1, 4, dtype=torch.bool)
    mapped_BLD[0, 2, 1] = 0.0
    mapped_BLD[0, 2, 2] = 1.0
    # Behaviours 0, 1 and 2 are all orthogonal to the first seed, behaviour 3.
    start_BLK = farthest_start(mapped_BLD, mask_BL, 2, start_scale=1.0)
    assert start_BLK[0, :, 1].argmax().item() == 2


@pytest.mark.parametrize("start", ["normal", "farthest"])
def test_capsules_differ(start: str) -> None:
    model = small_model(routing_start=start, profile_sizes=(), adaptive_interests=False)
    history_BL = torch.randint(2, 40, (50, 10), generator=torch.Generator().manual_seed(0))
    vectors_BKD = model.interests(history_BL, torch.zeros(50, 0, dtype=torch.long)).vectors_BKD
    cosine_B = (vectors_BKD[:, 0] * vectors_BKD[:, 1]).sum(dim=-1)
    assert cosine_B.mean() < 0.8


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sigma": 0.0}, "sigma is 0.0"),
        ({"sigma": -1.0}, "sigma is -1.0"),
        ({"routing_start": "farthest", "start_scale": 0.0}, "start_scale is 0.0"),
        ({"routing_start": "zeros"}, "routing_start is 'zeros'"),
    ],
)
def test_starts_that_merge_all_capsules_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        small_model(**changes)
