"""Whether the capsules really differ: numbers to log every epoch.

Shapes: B batch, L history length, K interests, D dimension.
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from mind.model.behaviour_time import bounded
from mind.model.interests import Interests, mapped_behaviours

if TYPE_CHECKING:
    from mind.model.mind import MIND

Health = dict[str, float | list[float]]

NEARLY_ONE = 0.95


@torch.no_grad()
def capsule_health(interests: Interests, mask_BL: Tensor, mapped_BLD: Tensor, label_BD: Tensor) -> Health:
    """Numbers about a batch; NaN where no user or behaviour counts for one.

    Returns:
        users: B.
        users_with_several: users with two active interests or more; the next three are about them only.
        mean_cosine: mean over users of the mean cosine of their pairs of active interest vectors.
        merged_share: share of users whose mean cosine is above 0.95.
        routing_entropy: mean entropy of a behaviour's routing weights divided by log K'_u: 1 = undecided.
        mapped_norm: mean length of S e_i over real behaviours; below about 1 routing hardly moves.
        winner_share: for each of the K interests, the share of all users whose label it scores best.

    Args:
        interests: of the batch, with weights_BLK that follow mask_BL.
        mask_BL: True for real behaviours.
        mapped_BLD: S e_i of each behaviour.
        label_BD: vectors of the targets.
    """
    vectors_BKD, active_BK = interests.vectors_BKD.double(), interests.active_BK
    count_B = active_BK.sum(dim=1)
    several_B = count_B > 1
    unit_BKD = functional.normalize(vectors_BKD, dim=-1)
    cosine_BKK = unit_BKD @ unit_BKD.transpose(1, 2)
    pairs_BKK = (active_BK.unsqueeze(1) & active_BK.unsqueeze(2)).triu(diagonal=1)
    cosine_B = (cosine_BKK * pairs_BKK).sum(dim=(1, 2)) / pairs_BKK.sum(dim=(1, 2)).clamp_min(1)
    entropy_BL = torch.special.entr(interests.weights_BLK.double()).sum(dim=-1)
    entropy_BL = entropy_BL / count_B.clamp_min(2).double().log().unsqueeze(1)
    dots_BK = (vectors_BKD @ label_BD.double().unsqueeze(-1)).squeeze(-1).masked_fill(~active_BK, -math.inf)
    winners_K = functional.one_hot(dots_BK.argmax(dim=1), vectors_BKD.shape[1]).double()
    return {
        "users": float(active_BK.shape[0]),
        "users_with_several": float(several_B.sum()),
        "mean_cosine": float(cosine_B[several_B].mean()),
        "merged_share": float((cosine_B[several_B] > NEARLY_ONE).double().mean()),
        "routing_entropy": float(entropy_BL[mask_BL & several_B.unsqueeze(1)].mean()),
        "mapped_norm": float(mapped_BLD.double().norm(dim=-1)[mask_BL].mean()),
        "winner_share": winners_K.mean(dim=0).tolist(),
    }


@torch.no_grad()
def model_health(
    model: "MIND",
    history_BL: Tensor,
    profile_BP: Tensor,
    target_B: Tensor,
    salt: int = 0,
    *,
    age_BL: Tensor | None = None,
) -> Health:
    """`capsule_health` of these users; target_B holds item indexes, and age_BL is that of `MIND.interests`."""
    history_BL, age_BL = bounded(model, history_BL, age_BL)
    mapped_BLD, _ = mapped_behaviours(model, history_BL, age_BL)
    interests = model.interests(history_BL, profile_BP, salt, age_BL=age_BL)
    return capsule_health(interests, history_BL != 0, mapped_BLD, model.item_vectors(target_B))
