"""Small models and batches that several tests share.

Shapes: B batch, L history length, F item features, P profile features, V catalogue rows.
"""

from typing import Any

import torch
from torch import Tensor

from mind.model import AGE_BUCKETS, MIND

SIZES = (40, 7, 5)
PROFILE_SIZES = (4, 3)


def catalogue(seed: int = 3) -> Tensor:
    """40 items with two further features, some of them missing (0) or unknown (1)."""
    generator = torch.Generator().manual_seed(seed)
    columns = [torch.arange(SIZES[0])]
    columns += [torch.randint(0, size, (SIZES[0],), generator=generator) for size in SIZES[1:]]
    features_VF = torch.stack(columns, dim=1)
    features_VF[0] = 0
    return features_VF


def small_model(**changes: Any) -> MIND:
    arguments: dict[str, Any] = {
        "item_features_VF": catalogue(),
        "feature_sizes": SIZES,
        "profile_sizes": PROFILE_SIZES,
        "history_length": 10,
        "dimension": 8,
        "interests": 3,
        "hidden_sizes": (12,),
        "seed": 5,
    }
    return MIND(**{**arguments, **changes})


def batch(rows: int, width: int = 10, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Histories of every length from 0 to `width`, padded on the right; profiles; targets' feature codes."""
    generator = torch.Generator().manual_seed(seed)
    history_BL = torch.randint(2, SIZES[0], (rows, width), generator=generator)
    lengths_B = torch.randint(0, width + 1, (rows,), generator=generator)
    history_BL[torch.arange(width) >= lengths_B.unsqueeze(1)] = 0
    profile_BP = torch.stack([torch.randint(0, s, (rows,), generator=generator) for s in PROFILE_SIZES], dim=1)
    target_B = torch.randint(2, SIZES[0], (rows,), generator=generator)
    return history_BL, profile_BP, catalogue()[target_B]


def ages_of(model: MIND, history_BL: Tensor, seed: int = 0) -> Tensor | None:
    """An age for each behaviour where the model takes any, in no order at all: nothing may rely on one."""
    if model.behaviour_time is None:
        return None
    generator = torch.Generator().manual_seed(seed)
    age_BL = torch.randint(1, AGE_BUCKETS + 1, history_BL.shape, generator=generator, dtype=torch.int8)
    return age_BL.masked_fill(history_BL == 0, 0)


def every_gradient(model: MIND) -> dict[str, Tensor]:
    """Dense gradients by parameter; a parameter without one fails the test."""
    gradients = {}
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        gradients[name] = parameter.grad.to_dense().clone()
    return gradients
