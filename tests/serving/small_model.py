"""A small model, users of every history length, and each user's interests by the model alone."""

from __future__ import annotations

from datetime import date

import numpy as np
import torch

from mind.features.fit import known_history, known_profile
from mind.model import MIND
from mind.tables import names as n

DS = date(2011, 12, 8)
ITEMS, COLOURS, COUNTRIES, LENGTH = 30, 4, 3, 8
USERS = 23
HISTORIES = f"{n.USER_ID} string, {n.HISTORY} array<int>, {n.HISTORY_LENGTH} int, {n.PROFILE} array<int>"


def network(behaviour_time: bool = False) -> MIND:
    random = torch.Generator().manual_seed(9)
    colours = torch.randint(0, COLOURS, (ITEMS,), generator=random)
    colours[0] = 0
    return MIND(
        item_features_VF=torch.stack([torch.arange(ITEMS), colours], dim=1),
        feature_sizes=[ITEMS, COLOURS],
        profile_sizes=[COUNTRIES],
        history_length=LENGTH,
        dimension=8,
        interests=3,
        hidden_sizes=(12,),
        seed=4,
        behaviour_time=behaviour_time,
    )


def histories() -> list[tuple[str, list[int], int, list[int]]]:
    """Users of every history length; some touched items, or come from countries, that the model does not know."""
    random = np.random.default_rng(2)
    rows = []
    for number in range(USERS):
        length = number % LENGTH + 1
        items = random.integers(2, ITEMS + 5, length)
        items[-1] = min(items[-1], ITEMS - 1)
        history = [*items.tolist(), *[0] * (LENGTH - length)]
        rows.append((f"üser {number}", history, length, [int(random.integers(0, COUNTRIES + 2))]))
    return rows


def alone() -> dict[str, np.ndarray]:
    """Each user's active interests by the model in this process, one user at a time."""
    held, found = network(), {}
    for user, history, _, profile in histories():
        history_BL = known_history(np.array([history], np.int32), ITEMS)
        profile_BP = known_profile(np.array([profile], np.int32), [COUNTRIES])
        told = held.infer(torch.from_numpy(history_BL), torch.from_numpy(profile_BP))
        found[user] = told.vectors_BKD[0][told.active_BK[0]].numpy()
    return found
