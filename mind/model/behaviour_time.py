"""How old a behaviour was at the moment of the features: a weight and a vector of each bucket of ages.

Time as an input is the paper's future work; this form of it is not in the paper. Shapes: B batch, L history length,
D dimension, A buckets of ages and padding.
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mind.model.history import bounded_history, pack_beside, pack_history

if TYPE_CHECKING:
    from mind.model.mind import MIND

AGE_BUCKETS = 24
"""Ages are whole numbers from 1 to this, beside each behaviour; 0 is padding. What a bucket is, the caller says."""


class BehaviourTime(nn.Module):
    """a_t and t_t for buckets t of 1 to AGE_BUCKETS: routing sees S (e_i + t_t), and a capsule sums
    a_t w_ij S (e_i + t_t). Beside the places of `recency.py` weights are multiplied and vectors added.

    Args:
        dimension: D.
        scale: expected length of e_i at the start; t_t starts at a tenth of it, a_t at 1.
        generator: source of the starting values.
    """

    def __init__(self, dimension: int, *, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        # The logarithm, so that a weight stays above 0 wherever training takes it.
        self.log_weight_A = nn.Parameter(torch.zeros(AGE_BUCKETS + 1))
        vector_AD = torch.randn(AGE_BUCKETS + 1, dimension, generator=generator) * (0.1 * scale / math.sqrt(dimension))
        vector_AD[0] = 0.0
        self.vector_AD = nn.Parameter(vector_AD)

    def weights(self, age_BL: Tensor) -> Tensor:
        """a_t of ages [B, L]."""
        # Looked up after the exponential: a vectorised one may give other bits at another place of a batch.
        return self.log_weight_A.exp().index_select(0, age_BL.flatten()).view_as(age_BL)

    def vectors(self, age_BL: Tensor) -> Tensor:
        """t_t of ages: [B, L, D]."""
        return self.vector_AD[age_BL]

    def sums(self, weights_BJL: Tensor, age_BL: Tensor) -> Tensor:
        """J weighted sums of each user's t_t, [B, J, D]: first the weights of each bucket, then their vectors."""
        users, vectors, _ = weights_BJL.shape
        total_BJA = weights_BJL.new_zeros(users, vectors, AGE_BUCKETS + 1)
        total_BJA = total_BJA.scatter_add(2, age_BL.unsqueeze(1).expand_as(weights_BJL), weights_BJL)
        return torch.matmul(total_BJA, self.vector_AD)


def bounded(model: "MIND", history_BL: Tensor, age_BL: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Histories and ages (int64) at most as wide as the model routes; None for ages where it takes none.

    Raises:
        ValueError: the model takes ages and got none, or not one for each behaviour.
    """
    length = model.architecture.history_length
    bounded_BL = bounded_history(history_BL, length)
    if model.behaviour_time is None:
        return bounded_BL, None
    age_BL = _given(history_BL, age_BL).long()
    return bounded_BL, age_BL if bounded_BL is history_BL else pack_beside(age_BL, history_BL, length)


def packed(model: "MIND", history_BL: Tensor, age_BL: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The same, the most recent behaviours without padding between them: [B, history_length]."""
    length = model.architecture.history_length
    packed_BL = pack_history(history_BL, length)
    if model.behaviour_time is None:
        return packed_BL, None
    return packed_BL, pack_beside(_given(history_BL, age_BL), history_BL, length)


def check_ages(history_BL: Tensor, age_BL: Tensor | None) -> None:
    """Raise ValueError unless each behaviour has an age of 1 to AGE_BUCKETS. For boundaries, not for every step."""
    of_real = _given(history_BL, age_BL)[history_BL != 0]
    if of_real.numel() and (int(of_real.min()) < 1 or int(of_real.max()) > AGE_BUCKETS):
        raise ValueError(
            f"ages of behaviours run from {int(of_real.min())} to {int(of_real.max())}, allowed are 1 to "
            f"{AGE_BUCKETS}; 0 is for padding alone: make them with the code that makes the histories"
        )


def _given(history_BL: Tensor, age_BL: Tensor | None) -> Tensor:
    if age_BL is None:
        raise ValueError(
            "age_BL is None, the model was made with behaviour_time and takes an age for each behaviour: give them "
            "beside the history, as tuples and histories have them that are made for such a model"
        )
    if age_BL.shape != history_BL.shape:
        raise ValueError(
            f"age_BL has shape {tuple(age_BL.shape)}, the history {tuple(history_BL.shape)}; give an age for each "
            "behaviour"
        )
    return age_BL
