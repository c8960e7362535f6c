"""The fused loss of the best vector beside the same thing written plainly, over several blocks of users.

Shapes: B batch, J vectors of a user, N negatives, D dimension.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mind.model.losses import BLOCK, best_vector_softmax, hits, sampled_softmax

DIMENSION, NEGATIVES, ITEMS = 5, 30, 40


def plainly(
    vector_BJD: Tensor, active_BJ: Tensor, negative_ND: Tensor, positive_B: Tensor, log_N: Tensor, is_hit_BN: Tensor
) -> Tensor:
    score_BJN = torch.matmul(vector_BJD, negative_ND.T).masked_fill(~active_BJ.unsqueeze(2), float("-inf"))
    return sampled_softmax(positive_B, score_BJN.max(dim=1).values, log_N, is_hit_BN)


@given(
    users=st.integers(0, 2 * BLOCK + 3), vectors=st.integers(1, 5), seed=st.integers(0, 10**6), ascending=st.booleans()
)
def test_values_and_gradients_are_those_of_the_plain_way(users: int, vectors: int, seed: int, ascending: bool) -> None:
    random = torch.Generator().manual_seed(seed)
    count_B = torch.randint(1, vectors + 1, (users,), generator=random)
    if ascending:
        count_B = count_B.sort().values
    active_BJ = torch.arange(vectors) < count_B.unsqueeze(1)
    target_B, negative_N = (torch.randint(2, ITEMS, (size,), generator=random) for size in (users, NEGATIVES))
    log_N = torch.randn(NEGATIVES, generator=random, dtype=torch.float64)
    weight_B = torch.rand(users, generator=random, dtype=torch.float64)
    shapes = [(users, vectors, DIMENSION), (NEGATIVES, DIMENSION), (users,)]
    given_values = [3 * torch.randn(*shape, generator=random, dtype=torch.float64) for shape in shapes]
    found = []
    for fused in (True, False):
        vector_BJD, negative_ND, positive_B = (value.clone().requires_grad_() for value in given_values)
        if fused:
            hit_H = hits(target_B, negative_N)
            losses_B = best_vector_softmax(vector_BJD, active_BJ, negative_ND, positive_B, log_N, hit_H)
        else:
            is_hit_BN = target_B.unsqueeze(1) == negative_N
            losses_B = plainly(vector_BJD, active_BJ, negative_ND, positive_B, log_N, is_hit_BN)
        torch.autograd.backward((losses_B * weight_B).sum())
        found.append((losses_B, vector_BJD.grad, negative_ND.grad, positive_B.grad))
    for ours, plain in zip(*found, strict=True):
        torch.testing.assert_close(ours, plain)


@pytest.mark.parametrize("same", [(0, 1), (1, 2), (0, 1, 2)])
def test_of_equal_vectors_the_first_learns(same: tuple[int, ...]) -> None:
    vector_BJD = torch.randn(1, 3, DIMENSION, generator=torch.Generator().manual_seed(1)).double()
    vector_BJD[:, same] = vector_BJD[:, same[:1]]
    # Whatever the negative, no other vector is above those that are the same.
    negative_ND = vector_BJD[0, same[:1]]
    vector_BJD[:, [place for place in range(3) if place not in same]] *= 0.0
    vector_BJD.requires_grad_()
    positive_B, active_BJ = torch.zeros(1).double(), torch.ones(1, 3, dtype=torch.bool)
    nothing = (torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64))
    losses_B = best_vector_softmax(vector_BJD, active_BJ, negative_ND, positive_B, None, nothing)
    torch.autograd.backward(losses_B.sum())
    assert vector_BJD.grad is not None
    assert torch.nonzero(vector_BJD.grad.abs().sum(dim=2)).tolist() == [[0, same[0]]]
