"""Why a user's interests are what they are: which behaviours weigh most in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pyspark.sql import DataFrame

from mind.errors import BrokenPromise
from mind.features.fit import known_history, known_profile
from mind.model import load
from mind.serving.embedding import ServingModel
from mind.tables import names as n


@dataclass(frozen=True, kw_only=True)
class InterestReason:
    """One interest of a user: the routed behaviours that weigh most in it, heaviest first."""

    items: list[int]
    """Item indexes."""
    weights: list[float]
    """Routing weight w_ij of each in the last iteration (equation 5), 0 to 1."""


def reason_columns(interests: DataFrame) -> list[str]:
    """What `interest_reasons` takes of user_interests: ages are there where a model has taken them."""
    names = (n.HISTORY, n.PROFILE, n.HISTORY_AGES)
    return [name for name in names if name in interests.columns]


def interest_reasons(model: ServingModel, user: Mapping[str, Any], most: int) -> list[InterestReason]:
    """The reasons of each active interest of one user, from the same inference that made the stored vectors.

    Args:
        model: that made the interests.
        user: by `reason_columns`.
        most: reasons of an interest.

    Raises:
        BrokenPromise: the model takes behaviours' ages, and the interests were made without them.
    """
    history, profile = user[n.HISTORY], user[n.PROFILE]
    network, _ = load(model.folder)
    history_BL = known_history(np.array([history], dtype=np.int32), model.items)
    profile_BP = known_profile(
        np.array([profile], dtype=np.int32).reshape(1, -1), list(model.profile_features.values())
    )
    found = network.infer(torch.from_numpy(history_BL), torch.from_numpy(profile_BP), age_BL=_ages(model, user))
    routed = [int(item) for item in history_BL[0] if item]
    reasons = []
    for interest in range(int(found.active_BK[0].sum())):
        weights_L = found.weights_BLK[0, : len(routed), interest].numpy()
        # The most recent first among equals: a stable order that people expect.
        order = sorted(range(len(routed)), key=lambda place: (-weights_L[place], -place))
        heaviest = _distinct(order, routed)[:most]
        reasons.append(
            InterestReason(
                items=[routed[place] for place in heaviest], weights=[float(weights_L[place]) for place in heaviest]
            )
        )
    return reasons


def _ages(model: ServingModel, user: Mapping[str, Any]) -> torch.Tensor | None:
    if not model.behaviour_time:
        return None
    if n.HISTORY_AGES not in user or user[n.HISTORY_AGES] is None:
        raise BrokenPromise(
            f"model version {model.version} takes behaviours' ages, and user_interests were made without them, by "
            "another version; run embed_users for this ds again"
        )
    return torch.tensor([user[n.HISTORY_AGES]])


def _distinct(order: list[int], routed: list[int]) -> list[int]:
    """The places whose item was not met at an earlier place of `order`."""
    met: set[int] = set()
    return [place for place in order if not (routed[place] in met or met.add(routed[place]))]  # type: ignore[func-returns-value]
