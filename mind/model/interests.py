"""The interests of a batch of users, and the score that serving ranks by.

Shapes: B batch, K interests, L history length, D dimension, P profile features, M items.
"""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from mind.model.arithmetic import FAST, Arithmetic
from mind.model.behaviour_time import bounded
from mind.model.recency import from_latest, weighted_mean
from mind.model.routing import route

if TYPE_CHECKING:
    from mind.model.mind import MIND


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


def user_interests(
    model: "MIND", history_BL: Tensor, profile_BP: Tensor, salt: int, arithmetic: Arithmetic, age_BL: Tensor | None
) -> Interests:
    """`MIND.interests`."""
    history_BL, age_BL = bounded(model, history_BL, age_BL)
    mask_BL = history_BL != 0
    mapped_BLD, weight_BL = mapped_behaviours(model, history_BL, age_BL, arithmetic)
    active_BK = model.active(mask_BL.sum(dim=1))
    context_BD = weighted_mean(mapped_BLD, mask_BL, weight_BL, arithmetic) if model.architecture.needs_mean else None
    if model.architecture.method == "youtube_dnn":
        assert context_BD is not None
        capsules_BKD, weights_BLK = context_BD.unsqueeze(1), mask_BL.unsqueeze(2).to(mapped_BLD.dtype)
    else:
        start_BLK = model.start(history_BL, mapped_BLD, salt, arithmetic)
        routings = model.architecture.routing_iterations
        routed = route(mapped_BLD, mask_BL, start_BLK, active_BK, routings, arithmetic, weight_BL)
        capsules_BKD, weights_BLK = routed.capsules_BKD, routed.weights_BLK
    profile_BX = arithmetic.widen(model.profile_embedding(profile_BP, like=model.mapping_DD))
    vectors_BKD = model.vectors(capsules_BKD, active_BK, model.beside(profile_BX, context_BD), arithmetic)
    return Interests(vectors_BKD, active_BK, weights_BLK)


def mapped_behaviours(
    model: "MIND", history_BL: Tensor, age_BL: Tensor | None, arithmetic: Arithmetic = FAST
) -> tuple[Tensor, Tensor | None]:
    """S e_i [B, L, D] of behaviours, zeros for padding; with recency and behaviour_time S (e_i + t_r + t_t), and
    their weights a_r a_t [B, L]. History and ages are those of `behaviour_time.bounded`."""
    item_BLD = arithmetic.widen(model.item_embedding(model.item_embedding.codes(history_BL)))
    mask_BL, weight_BL = history_BL != 0, None
    if model.recency is not None:
        place_BL = from_latest(mask_BL)
        weight_BL = arithmetic.widen(model.recency.weights(place_BL))
        item_BLD = item_BLD + arithmetic.widen(model.recency.places(place_BL)) * mask_BL.unsqueeze(2)
    if model.behaviour_time is not None:
        assert age_BL is not None
        of_age_BL = arithmetic.widen(model.behaviour_time.weights(age_BL))
        weight_BL = of_age_BL if weight_BL is None else weight_BL * of_age_BL
        item_BLD = item_BLD + arithmetic.widen(model.behaviour_time.vectors(age_BL)) * mask_BL.unsqueeze(2)
    return arithmetic.linear(item_BLD, model.mapping_DD), weight_BL


def packed_weights(model: "MIND", mask_BL: Tensor, age_BL: Tensor | None) -> Tensor | None:
    """What each behaviour's share in a sum is multiplied by, 0 for padding; None where all count alike. The histories
    are packed to the right."""
    weight_BL = None
    if model.recency is not None:
        weight_BL = model.recency.latest_weights(mask_BL.shape[1]) * mask_BL
    if model.behaviour_time is not None:
        assert age_BL is not None
        weight_BL = model.behaviour_time.weights(age_BL) * (mask_BL if weight_BL is None else weight_BL)
    return weight_BL
