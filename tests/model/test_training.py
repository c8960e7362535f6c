"""The training loss as a whole: learning, hits, temperature, ranks, empty batches."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from mind.model import MIND, NegativeSampler, generator_for
from mind.model.hashing import kept_entries
from tests.model.worlds import SIZES, ages_of, batch, every_gradient, small_model

NEGATIVES = (torch.arange(2, 22), torch.linspace(-1, 1, 20))


@pytest.mark.parametrize(("start", "scored_by"), [("normal", "chosen"), ("farthest", "best")])
def test_two_hundred_users_are_learned_by_heart(start: str, scored_by: str) -> None:
    generator = torch.Generator().manual_seed(2)
    items = 302
    history_BL = torch.randint(2, items, (200, 12), generator=generator)
    target_B = torch.randint(2, items, (200,), generator=generator)
    profile_BP = torch.zeros(200, 0, dtype=torch.long)
    model = MIND(
        item_features_VF=torch.arange(items).unsqueeze(1),
        feature_sizes=[items],
        history_length=12,
        dimension=32,
        interests=3,
        hidden_sizes=(64,),
        routing_start=start,
        negatives_scored_by=scored_by,
    )
    tables = torch.optim.SparseAdam(model.sparse_parameters(), lr=0.02)
    dense = torch.optim.Adam(model.dense_parameters(), lr=0.005)
    sampler = NegativeSampler("uniform", items)
    for step in range(120):
        negatives = sampler.draw(200, generator_for(0, 0, step))
        loss = model(history_BL, profile_BP, target_B.unsqueeze(1), *negatives).mean()
        tables.zero_grad()
        dense.zero_grad()
        loss.backward()
        tables.step()
        dense.step()
    served = model.infer(history_BL, profile_BP)
    best_B = model.scores(served, torch.arange(2, items)).argmax(dim=1) + 2
    assert (best_B == target_B).float().mean() > 0.95


def test_temperature_and_correction_change_the_loss() -> None:
    given = (*batch(10), *NEGATIVES)
    losses = [
        small_model(**changes)(*given)
        for changes in (
            {},
            {"temperature": 0.5},
            {"log_q_correction": False},
            {"negatives_scored_by": "best"},
        )
    ]
    for other in losses[1:]:
        assert (losses[0] - other).abs().max() > 1e-3


def test_a_negative_that_is_the_target_does_not_count() -> None:
    model = small_model()
    history_BL, profile_BP, target_BF = batch(1, seed=5)
    target = int(target_BF[0, 0])
    others_N = torch.tensor([item for item in (2, 3, 4) if item != target])
    plain = model(history_BL, profile_BP, target_BF, others_N, torch.zeros(len(others_N)))
    with_hits_N = torch.cat([torch.tensor([target, target]), others_N])
    hit = model(history_BL, profile_BP, target_BF, with_hits_N, torch.zeros(len(with_hits_N)))
    torch.testing.assert_close(plain, hit)
    only = model(history_BL, profile_BP, target_BF, torch.tensor([target]), torch.zeros(1))
    assert only.item() == 0.0
    only.sum().backward()
    assert all(not gradient.any() for gradient in every_gradient(model).values())


EVERYTHING: dict[str, Any] = {
    "recency": True,
    "context": True,
    "residual": True,
    "dropout": 0.3,
    "behaviour_time": True,
}


@pytest.mark.parametrize("scored_by", ["chosen", "best"])
@pytest.mark.parametrize("start", ["normal", "farthest"])
@pytest.mark.parametrize("beyond", [{}, EVERYTHING, {**EVERYTHING, "method": "youtube_dnn", "interests": 1}])
def test_an_empty_batch_reaches_every_parameter_with_zeros(scored_by: str, start: str, beyond: dict[str, Any]) -> None:
    model = small_model(negatives_scored_by=scored_by, routing_start=start, **beyond)
    losses_B = model(*batch(0), *NEGATIVES, age_BL=ages_of(model, batch(0)[0]))
    assert losses_B.shape == (0,)
    losses_B.sum().backward()
    assert all(not gradient.any() for gradient in every_gradient(model).values())


@pytest.mark.parametrize("kind", ["uniform", "in_batch", "mixed"])
@pytest.mark.parametrize("cuts", [(7, 12), (0, 12), (12, 12)])
@pytest.mark.parametrize("beyond", [{}, EVERYTHING])
def test_ranks_add_up_to_one_process(kind: str, cuts: tuple[int, int], beyond: dict[str, Any]) -> None:
    whole = batch(12)
    ages = ages_of(small_model(**beyond), whole[0])
    whole = whole if ages is None else (*whole, ages)
    sampler = NegativeSampler(kind, SIZES[0], torch.ones(SIZES[0]))
    # What a gather of the target indexes gives to every rank.
    targets_M = whole[2][:, 0]

    def gradients(parts: list[tuple[Tensor, ...]]) -> dict[str, Tensor]:
        total: dict[str, Tensor] = {}
        for part in parts:
            model = small_model(**beyond).double()
            negatives = sampler.draw(9, generator_for(4, 0, 0), targets_M)
            model(*part[:3], *negatives, 1, age_BL=None if ages is None else part[3]).sum().backward()
            for name, gradient in every_gradient(model).items():
                total[name] = total.get(name, torch.zeros_like(gradient)) + gradient
        return total

    bounds = (0, *cuts, 12)
    ranks = [tuple(x[first:last] for x in whole) for first, last in pairwise(bounds)]
    together, apart = gradients([whole]), gradients(ranks)
    assert together["mapping_DD"].any()
    for name, gradient in together.items():
        torch.testing.assert_close(apart[name], gradient, rtol=0, atol=1e-10)


def test_training_moves_nothing_but_gradients() -> None:
    model = small_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = model(*batch(10), *NEGATIVES, 3)
    model.infer(*batch(10)[:2])
    assert torch.equal(first, model(*batch(10), *NEGATIVES, 3))
    assert not torch.equal(first, model(*batch(10), *NEGATIVES, 4))
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())


def test_dropout_leaves_out_the_share_and_is_gone_at_serving() -> None:
    kept_UD = kept_entries(torch.arange(2, 2002), 65, 0.3, salt=4)
    assert kept_UD.shape == (2000, 65)
    assert kept_UD.double().mean().item() == pytest.approx(0.7, abs=0.01)
    assert not torch.equal(kept_UD, kept_entries(torch.arange(2, 2002), 65, 0.3, salt=5))
    assert torch.equal(kept_UD[7:9], kept_entries(torch.tensor([9, 10]), 65, 0.3, salt=4))
    assert bool(kept_entries(torch.arange(2, 2002), 65, 0.0, salt=4).all())
    plain, model = small_model(), small_model(dropout=0.3)
    given = (*batch(10), *NEGATIVES)
    assert not torch.equal(model(*given), plain(*given))
    torch.testing.assert_close(model.eval()(*given), plain(*given), rtol=0, atol=0)
    assert torch.equal(model.infer(*given[:2]).vectors_BKD, plain.infer(*given[:2]).vectors_BKD)


@pytest.mark.parametrize("beyond", [{}, EVERYTHING])
def test_bfloat16_autocast_is_finite(beyond: dict[str, Any]) -> None:
    model = small_model(**beyond)
    given = batch(20)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses_B = model(*given, *NEGATIVES, age_BL=ages_of(model, given[0]))
    assert losses_B.dtype == torch.float32
    losses_B.sum().backward()
    assert all(torch.isfinite(gradient).all() for gradient in every_gradient(model).values())


def test_ages_start_without_a_say_in_weights_and_padding_never_learns_one() -> None:
    """Weights of 1 and short vectors; row 0, which padding looks up, gets a gradient of zeros."""
    model = small_model(behaviour_time=True, hidden_sizes=())
    assert torch.equal(model.mapping_DD, small_model(hidden_sizes=()).mapping_DD)
    assert model.behaviour_time is not None
    given = batch(30)
    age_BL = ages_of(model, given[0])
    model(*given, *NEGATIVES, age_BL=age_BL).sum().backward()
    assert not model.behaviour_time.log_weight_A.any()
    for parameter in model.behaviour_time.parameters():
        assert not parameter.grad[0].any()
        assert parameter.grad[1:].any()


def test_what_only_age_tells_is_learned_with_ages_alone() -> None:
    """Two behaviours, one of the last minutes and one years old, in either order: the recent one is the target."""
    generator = torch.Generator().manual_seed(8)
    items_BL = torch.randint(2, SIZES[0], (400, 2), generator=generator)
    recent_B = torch.randint(0, 2, (400,), generator=generator)
    age_BL = torch.where(torch.arange(2) == recent_B.unsqueeze(1), 2, 23)
    target_B = items_BL.gather(1, recent_B.unsqueeze(1)).squeeze(1)
    profile_BP = torch.zeros(400, 2, dtype=torch.long)
    losses = []
    for behaviour_time in (False, True):
        model = small_model(behaviour_time=behaviour_time, context=True, negatives_scored_by="best")
        tables = torch.optim.SparseAdam(model.sparse_parameters(), lr=0.02)
        dense = torch.optim.Adam(model.dense_parameters(), lr=0.02)
        for _ in range(60):
            given = (items_BL, profile_BP, model.item_embedding.codes(target_B).long(), torch.arange(2, SIZES[0]))
            loss = model(*given, torch.zeros(SIZES[0] - 2), age_BL=age_BL).mean()
            tables.zero_grad()
            dense.zero_grad()
            loss.backward()
            tables.step()
            dense.step()
        losses.append(loss.item())
    assert losses[1] < 0.5 * losses[0], losses
