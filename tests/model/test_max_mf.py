"""MaxMF: the same loss as MIND's, from vectors of the user's own."""

import torch

from mind.model import MaxMF, NegativeSampler, best_scores, generator_for, label_attention, sampled_softmax
from mind.training.adam import Adam
from tests.model.worlds import SIZES, catalogue


def small(**changes: int) -> MaxMF:
    sizes = {"dimension": 8, "interests": 3, "users": 30, **changes}
    return MaxMF(
        item_features_VF=catalogue(), feature_sizes=list(SIZES), temperature=0.3, embedding_scale=0.5, seed=5, **sizes
    )


def test_the_loss_and_its_gradient_are_the_plain_ones() -> None:
    user_B, target_B = torch.tensor([0, 4, 29, 4]), torch.tensor([3, 9, 9, 20])
    negatives_N, log_expected_N = torch.tensor([9, 5, 9, 30]), torch.tensor([0.2, -0.5, 0.2, 0.0]).double()
    fast, plain = small().double(), small().double()
    losses_B = fast(user_B, catalogue()[target_B], negatives_N, log_expected_N)
    found = plain.interests(user_B)
    label_BD = plain.item_vectors(target_B)
    positive_B = (label_attention(found.vectors_BKD, found.active_BK, label_BD, float("inf")) * label_BD).sum(dim=1)
    scores_BN = best_scores(found, plain.item_vectors(negatives_N))
    is_hit_BN = target_B[:, None] == negatives_N
    expected_B = sampled_softmax(positive_B / 0.3, scores_BN / 0.3, log_expected_N, is_hit_BN)
    torch.testing.assert_close(losses_B, expected_B)
    losses_B.sum().backward()
    expected_B.sum().backward()
    for ours, theirs in zip(fast.sparse_parameters(), plain.sparse_parameters(), strict=True):
        torch.testing.assert_close(ours.grad.to_dense(), theirs.grad.to_dense())
    assert fast.users_UX.grad.to_dense()[[1, 5, 30]].any(dim=1).all()


def test_users_are_learned_by_heart() -> None:
    model, user_B = small(dimension=16), torch.arange(30)
    target_B = torch.randint(2, SIZES[0], (30,), generator=torch.Generator().manual_seed(2))
    optimiser = Adam(model.sparse_parameters(), model.dense_parameters(), 0.05)
    sampler = NegativeSampler("uniform", SIZES[0])
    for step in range(80):
        model(user_B, catalogue()[target_B], *sampler.draw(30, generator_for(0, 0, step))).mean().backward()
        optimiser.step()
    best_B = best_scores(model.interests(user_B), model.item_vectors(torch.arange(2, SIZES[0]))).argmax(dim=1) + 2
    assert (best_B == target_B).float().mean() > 0.95
    assert not model.users_UX[0].any()
