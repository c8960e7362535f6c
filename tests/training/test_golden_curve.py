"""The loss of a small training, step by step, as it was when it was right: a change of the mathematics shows here."""

import pytest
import torch

from mind.model import MIND, NegativeSampler, generator_for
from mind.training.adam import Adam

CLUSTERS, ITEMS, USERS, LENGTH = 6, 122, 512, 12
PAPER = {"routing_start": "normal", "normalise": True, "temperature": 0.1}
OURS = {
    "routing_start": "farthest",
    "start_scale": 2.0,
    "negatives_scored_by": "best",
    "dropout": 0.2,
    "recency": True,
    "context": True,
    "residual": True,
}
# Mean loss of steps 0 to 9, 10 to 19 and so on.
CURVES = {
    "paper": (PAPER, [5.5304, 4.1789, 3.6521, 3.3941, 3.1962]),
    "ours": (OURS, [5.7041, 4.4818, 4.008, 3.5931, 3.4222]),
}


def histories() -> tuple[torch.Tensor, torch.Tensor]:
    """Users with two habits each, and a target of one of them."""
    generator = torch.Generator().manual_seed(7)
    size = (ITEMS - 2) // CLUSTERS
    habit_U2 = torch.rand(USERS, CLUSTERS, generator=generator).argsort(dim=1)[:, :2]
    side_UL = torch.randint(0, 2, (USERS, LENGTH + 1), generator=generator)
    item_UL = habit_U2.gather(1, side_UL) * size + torch.randint(0, size, (USERS, LENGTH + 1), generator=generator) + 2
    length_U = torch.randint(1, LENGTH + 1, (USERS,), generator=generator)
    history_UL = item_UL[:, :LENGTH].masked_fill(torch.arange(LENGTH) >= length_U.unsqueeze(1), 0)
    return history_UL, item_UL[:, LENGTH:]


@pytest.mark.parametrize("name", list(CURVES))
def test_the_loss_falls_as_it_did(name: str) -> None:
    setting, expected = CURVES[name]
    history_UL, target_U1 = histories()
    model = MIND(
        item_features_VF=torch.arange(ITEMS).unsqueeze(1),
        feature_sizes=[ITEMS],
        history_length=LENGTH,
        dimension=16,
        interests=3,
        hidden_sizes=(16,),
        seed=3,
        **setting,  # type: ignore[arg-type]
    )
    optimiser = Adam(model.sparse_parameters(), model.dense_parameters(), 0.01)
    sampler = NegativeSampler("uniform", ITEMS)
    losses = []
    for step in range(50):
        rows = torch.randperm(USERS, generator=torch.Generator().manual_seed(step))[:128]
        drawn = sampler.draw(40, generator_for(1, 1, step))
        loss = model(history_UL[rows], torch.zeros(128, 0, dtype=torch.long), target_U1[rows], *drawn, step).mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    found = torch.tensor(losses).view(5, 10).mean(dim=1).tolist()
    assert found == pytest.approx(expected, rel=1e-3)
