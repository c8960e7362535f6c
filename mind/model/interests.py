"""The interests of a batch of users, and the score that serving ranks by.

Shapes: B batch, K interests, L history length, D dimension, M items.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Interests(NamedTuple):
    """V_u of eq (1) for a batch of users."""

    vectors_BKD: Tensor
    """One vector an interest; zero where inactive."""
    active_BK: Tensor
    """True for the first K'_u interests. Only these may reach a table or an index."""
    weights_BLK: Tensor
    """Routing weights w_ij of the last iteration, by behaviour."""


def best_scores(interests: Interests, item_MD: Tensor) -> Tensor:
    """max over active interests of v_k . e_i, eq (3): [B, M]."""
    scores_BKM = torch.matmul(interests.vectors_BKD, item_MD.T)
    return scores_BKM.masked_fill(~interests.active_BK.unsqueeze(-1), float("-inf")).amax(dim=1)
