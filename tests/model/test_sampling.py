"""Samplers: what they draw, what they say to expect, and that the estimate of the softmax is right."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mind.model import SAMPLERS, NegativeSampler, generator_for, sampled_softmax

V = 14
COUNTS_V = torch.tensor([0, 99, 1, 2, 30, 4, 5, 6, 20, 8, 9, 1, 2, 3])
SHARE = (COUNTS_V[2:] / COUNTS_V[2:].sum()).double()


def targets(rows: int, generator: torch.Generator) -> torch.Tensor:
    return torch.multinomial(SHARE, rows, replacement=True, generator=generator) + 2


@pytest.mark.parametrize("kind", SAMPLERS)
def test_counts_are_as_often_as_announced(kind: str) -> None:
    sampler = NegativeSampler(kind, V, COUNTS_V)
    draws, count, batch = 400, 64, 96
    seen_V, expected_V = torch.zeros(V), torch.full((V,), float("nan"))
    for step in range(draws):
        generator = generator_for(0, 0, step)
        batch_M = targets(batch, generator)
        # Seen from a row whose own target was item 4: the other M - 1 are the draw, and item 4 is masked.
        batch_M[0] = 4
        items_N, log_expected_N = sampler.draw(count, generator, batch_M)
        assert items_N.shape == (count,)
        assert items_N.min() >= 2
        assert items_N.max() < V
        seen_V += torch.bincount(items_N, minlength=V)
        expected_V[items_N] = log_expected_N.exp()
    mean_V = seen_V / draws
    for item in range(2, V):
        if item == 4 and kind in ("in_batch", "mixed"):
            continue
        error = 4.5 * math.sqrt(expected_V[item].item() / draws)
        assert mean_V[item].item() == pytest.approx(expected_V[item].item(), abs=error)


@pytest.mark.parametrize("kind", SAMPLERS)
@pytest.mark.parametrize("corrected", [True, False])
def test_expected_gradient_is_that_of_the_full_softmax(kind: str, corrected: bool) -> None:
    scores_V = torch.randn(V, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    positive = 8
    full = scores_V.clone().requires_grad_()
    (torch.logsumexp(full[2:], dim=0) - full[positive]).backward()
    partition = scores_V[2:].exp().sum().item()
    sampler = NegativeSampler(kind, V, COUNTS_V)
    draws, count = 300, 400
    gradient_V, partitions = torch.zeros(V, dtype=torch.float64), []
    for step in range(draws):
        generator = generator_for(3, 1, step)
        batch_M = targets(500, generator)
        batch_M[0] = positive
        items_N, log_expected_N = sampler.draw(count, generator, batch_M)
        leaf = scores_V.clone().requires_grad_()
        loss_B = sampled_softmax(
            leaf[positive].unsqueeze(0),
            leaf[items_N].unsqueeze(0),
            log_expected_N if corrected else None,
            (items_N == positive).unsqueeze(0),
        )
        loss_B.sum().backward()
        gradient_V += leaf.grad / draws
        partitions.append(math.exp(loss_B.item() + scores_V[positive].item()))
    error = (gradient_V - full.grad).abs().max().item()
    if corrected:
        estimates = torch.tensor(partitions)
        spread = estimates.std().item() / math.sqrt(draws)
        assert estimates.mean().item() == pytest.approx(partition, abs=4 * spread + 1e-4)
        assert error < 0.01
    else:
        assert error > 0.03


def test_negatives_differ_by_seed_epoch_and_step_and_agree_between_ranks() -> None:
    sampler = NegativeSampler("uniform", 10_000)
    draws = [sampler.draw(50, generator_for(*key)).items_N for key in [(1, 2, 3), (2, 1, 3), (1, 3, 2), (1, 2, 4)]]
    for index, first in enumerate(draws):
        assert all(not torch.equal(first, second) for second in draws[index + 1 :])
    assert torch.equal(draws[0], sampler.draw(50, generator_for(1, 2, 3)).items_N)


@given(st.lists(st.integers(0, V - 1), max_size=20), st.integers(1, 12), st.sampled_from(SAMPLERS))
def test_every_draw_is_real_and_finite(batch: list[int], count: int, kind: str) -> None:
    sampler = NegativeSampler(kind, V, torch.zeros(V))
    items_N, log_expected_N = sampler.draw(count, generator_for(0, 0, 0), torch.tensor(batch, dtype=torch.long))
    real = sum(item >= 2 for item in batch)
    assert items_N.numel() == (min(count, real) if kind == "in_batch" else count)
    assert bool((items_N >= 2).all())
    assert torch.isfinite(log_expected_N).all()


def test_in_batch_draws_the_batch() -> None:
    sampler = NegativeSampler("in_batch", V, COUNTS_V)
    items_N, log_expected_N = sampler.draw(9, generator_for(0, 0, 0), torch.tensor([3, 1, 7, 7]))
    assert sorted(items_N.tolist()) == [3, 7, 7]
    by_item = dict(zip(items_N.tolist(), log_expected_N.exp().tolist(), strict=True))
    assert by_item == pytest.approx({3: 2 * 2 / 91, 7: 2 * 6 / 91}, rel=1e-4)


def test_mixed_is_half_of_each() -> None:
    sampler = NegativeSampler("mixed", V, COUNTS_V)
    items_N, log_expected_N = sampler.draw(10, generator_for(0, 0, 0), torch.full((40,), 7))
    assert (items_N[:5] == 7).all()
    expected = 5 / 12 + 5 * 39 / 40 * 6 / 91
    assert log_expected_N[0].exp().item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: NegativeSampler("popular", V), "sampler is 'popular'"),
        (lambda: NegativeSampler("uniform", 2), "catalogue_size is 2"),
        (lambda: NegativeSampler("mixed", V), "counts_V is missing"),
        (lambda: NegativeSampler("in_batch", V, COUNTS_V[1:]), "counts_V is of shape \\(13,\\)"),
        (lambda: NegativeSampler("log_uniform", V, -COUNTS_V), "negative or non-finite"),
        (lambda: NegativeSampler("uniform", V).draw(0, generator_for(0, 0, 0)), "count is 0"),
        (lambda: NegativeSampler("mixed", V, COUNTS_V).draw(4, generator_for(0, 0, 0)), "targets_M is None"),
    ],
)
def test_wrong_arguments_are_refused(call, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=words):
        call()
