"""Several targets a row: the loss is the mean of the losses that each alone would give, and so is its gradient."""

from typing import Any

import pytest
import torch
from torch import Tensor

from mind.model import MIND
from tests.model.test_training import EVERYTHING
from tests.model.worlds import SIZES, ages_of, batch, every_gradient, small_model

ROWS = 30
NEGATIVES = (torch.cat([torch.arange(2, 22), torch.tensor([5, 5, 30])]), torch.linspace(-1, 1, 23).double())
FEWER: dict[str, Any] = {"attention_power": 1.5, "decorrelation": 0.7, "log_q_correction": False}
PLAIN_MEAN: dict[str, Any] = {**EVERYTHING, "method": "youtube_dnn", "interests": 1}


def next_targets(rows: int, width: int = 3, seed: int = 9) -> Tensor:
    """Of every number from none to `width`; items repeat, are negatives of the batch and other rows' targets."""
    generator = torch.Generator().manual_seed(seed)
    next_BE = torch.randint(2, SIZES[0], (rows, width), generator=generator, dtype=torch.int32)
    count_B = torch.randint(0, width + 1, (rows,), generator=generator)
    return next_BE.masked_fill(torch.arange(width) >= count_B.unsqueeze(1), 0)


def rows_given(known: bool) -> tuple[Tensor, Tensor, Tensor]:
    """A batch; unless `known` some targets have other features than the catalogue."""
    history_BL, profile_BP, target_BF = batch(ROWS, seed=4)
    if not known:
        target_BF[::3, 1] = 6 - target_BF[::3, 1]
    return history_BL, profile_BP, target_BF


def one_by_one(model: MIND, given: tuple[Tensor, Tensor, Tensor], next_BE: Tensor) -> Tensor:
    """Each row with each of its targets as a batch of its own."""
    history_BL, profile_BP, target_BF = given
    age_BL = ages_of(model, history_BL)
    means = []
    for row, following in enumerate(next_BE.tolist()):
        here = slice(row, row + 1)
        codes = [target_BF[here], *(model.item_embedding.codes(torch.tensor([item])) for item in following if item)]
        losses = [
            model(
                *(history_BL[here], profile_BP[here], target_1F, *NEGATIVES, 3),
                age_BL=None if age_BL is None else age_BL[here],
            )
            for target_1F in codes
        ]
        means.append(torch.cat(losses).mean())
    return torch.stack(means)


@pytest.mark.parametrize("changes", [{}, EVERYTHING, FEWER, PLAIN_MEAN])
@pytest.mark.parametrize("scored_by", ["chosen", "best"])
@pytest.mark.parametrize("known", [True, False])
def test_losses_and_gradients_are_the_mean_of_those_of_each_target_alone(
    scored_by: str, changes: dict[str, Any], known: bool
) -> None:
    """Without dropout, which goes by the items of a batch."""
    changes = {**changes, "dropout": 0.0, "negatives_scored_by": scored_by, "mapping_scale": 4.0}
    together, apart = (small_model(**changes).double() for _ in range(2))
    given, next_BE = rows_given(known), next_targets(ROWS)
    assert {0, 3} <= set((next_BE != 0).sum(dim=1).tolist())
    found_B = together(*given, *NEGATIVES, 3, age_BL=ages_of(together, given[0]), next_BE=next_BE)
    wanted_B = one_by_one(apart, given, next_BE)
    torch.testing.assert_close(found_B, wanted_B, rtol=0, atol=1e-9)
    # Rows weigh differently, so that a gradient given to the wrong row shows.
    weight_B = torch.linspace(0.1, 2.0, ROWS).double()
    (found_B * weight_B).sum().backward()
    (wanted_B * weight_B).sum().backward()
    expected = every_gradient(apart)
    for name, gradient in every_gradient(together).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("scored_by", ["chosen", "best"])
def test_rows_without_next_targets_lose_what_they_lose_with_their_own_alone(scored_by: str) -> None:
    model = small_model(negatives_scored_by=scored_by, dropout=0.3)
    given = (*batch(ROWS), *NEGATIVES, 3)
    torch.testing.assert_close(model(*given, next_BE=torch.zeros(ROWS, 2, dtype=torch.int32)), model(*given))


def test_an_empty_batch_with_next_targets_reaches_every_parameter_with_zeros() -> None:
    model = small_model(**EVERYTHING, negatives_scored_by="best")
    given = batch(0)
    losses_B = model(*given, *NEGATIVES, age_BL=ages_of(model, given[0]), next_BE=torch.zeros(0, 2, dtype=torch.int32))
    assert losses_B.shape == (0,)
    losses_B.sum().backward()
    assert all(not gradient.any() for gradient in every_gradient(model).values())


def test_a_next_target_is_learned_by_heart_where_it_is_given_and_not_otherwise() -> None:
    generator = torch.Generator().manual_seed(3)
    items, users = 302, 100
    history_BL = torch.randint(2, items, (users, 12), generator=generator)
    target_B, next_B = (torch.randint(2, items, (users,), generator=generator) for _ in range(2))
    given = (history_BL, torch.zeros(users, 0, dtype=torch.long), target_B.unsqueeze(1))
    every_N = torch.arange(2, items)
    found = {}
    for next_BE in (None, next_B.unsqueeze(1)):
        model = MIND(
            item_features_VF=torch.arange(items).unsqueeze(1),
            feature_sizes=[items],
            history_length=12,
            dimension=32,
            interests=3,
            hidden_sizes=(64,),
            routing_start="farthest",
            negatives_scored_by="best",
        )
        tables = torch.optim.SparseAdam(model.sparse_parameters(), lr=0.02)
        dense = torch.optim.Adam(model.dense_parameters(), lr=0.005)
        for _ in range(100):
            tables.zero_grad()
            dense.zero_grad()
            model(*given, every_N, torch.zeros(len(every_N)), next_BE=next_BE).mean().backward()
            tables.step()
            dense.step()
        best_B3 = model.scores(model.infer(*given[:2]), every_N).topk(3, dim=1).indices + 2
        hits = [(best_B3 == wanted_B.unsqueeze(1)).any(dim=1).float().mean().item() for wanted_B in (target_B, next_B)]
        found[next_BE is not None] = hits
    assert found[False][0] > 0.95
    assert found[False][1] < 0.2
    assert min(found[True]) > 0.95, found
