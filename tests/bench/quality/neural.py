"""Methods that learn by gradients, all in the same way: same loss, negatives, optimiser, batches, epochs, stopping.

Shapes: B rows, L history length, F item features, P profile features, N negatives, V catalogue rows, M items, E next
targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mind.model import MIND, Interests, MaxMF, NegativeSampler, best_scores, generator_for
from mind.training.adam import Adam
from tests.bench.quality.data import Array, Sequences

Settings = Mapping[str, Any]
PATIENCE = 3
"""Epochs without a better validation after which a training ends."""


class Rows:
    """Targets of a split with all that a method may know of them, on the device."""

    def __init__(self, log: Sequences, place: Array, length: int, device: str, next_targets: int = 1) -> None:
        def put(values: Array) -> Tensor:
            return torch.from_numpy(values.astype(np.int32)).to(device)

        self.user, self.history = put(log.user_of(place)), put(log.before(place, length))
        self.profile, self.target = put(log.profile_UP[log.user_of(place)]), put(log.item_codes_VF[log.items_N[place]])
        self.after_BE = put(log.after(place, next_targets - 1))

    def __len__(self) -> int:
        return len(self.user)

    def take(self, row_B: Tensor | slice) -> tuple[Tensor, ...]:
        """User, history, profile, target and next targets."""
        return self.user[row_B].long(), *(
            held[row_B] for held in (self.history, self.profile, self.target, self.after_BE)
        )


class Method(Protocol):
    """A network as this trainer sees it."""

    net: torch.nn.Module

    def losses(self, rows: tuple[Tensor, ...], negatives_N: Tensor, log_expected_N: Tensor, salt: int) -> Tensor: ...

    def interests(self, rows: tuple[Tensor, ...]) -> Interests: ...


class FromBehaviours:
    """MIND, with one interest or several, and YouTube DNN."""

    def __init__(self, log: Sequences, settings: Settings, seed: int) -> None:
        self.net: Any = MIND(
            item_features_VF=torch.from_numpy(log.item_codes_VF),
            feature_sizes=log.feature_sizes.tolist(),
            profile_sizes=log.profile_sizes.tolist(),
            seed=seed,
            **settings,
        )

    def losses(self, rows: tuple[Tensor, ...], negatives_N: Tensor, log_expected_N: Tensor, salt: int) -> Tensor:
        _, history, profile, target, after_BE = rows
        more = {"next_BE": after_BE} if after_BE.shape[1] else {}
        losses_B: Tensor = self.net(history, profile, target, negatives_N, log_expected_N, salt, **more)
        return losses_B

    def interests(self, rows: tuple[Tensor, ...]) -> Interests:
        found: Interests = self.net.interests(rows[1], rows[2])
        return found


class FromUsers:
    """MaxMF."""

    def __init__(self, log: Sequences, settings: Settings, seed: int) -> None:
        shared = ("dimension", "interests", "temperature", "embedding_scale")
        self.net: Any = MaxMF(
            item_features_VF=torch.from_numpy(log.item_codes_VF),
            feature_sizes=log.feature_sizes.tolist(),
            users=log.users,
            seed=seed,
            **{name: settings[name] for name in shared},
        )

    def losses(self, rows: tuple[Tensor, ...], negatives_N: Tensor, log_expected_N: Tensor, salt: int) -> Tensor:
        losses_B: Tensor = self.net(rows[0], rows[3], negatives_N, log_expected_N)
        return losses_B

    def interests(self, rows: tuple[Tensor, ...]) -> Interests:
        found: Interests = self.net.interests(rows[0])
        return found


def train(
    method: Method, log: Sequences, training: Settings, length: int, seed: int, device: str
) -> tuple[int, list[float]]:
    """Train until validation stops rising; the best epoch (whose weights are kept) and each epoch's validation, the sum
    of Recall@20 and @50."""
    net: Any = method.net.to(device)
    rows = Rows(log, log.positions("train"), length, device, training.get("next_targets", 1))
    optimiser = Adam(net.sparse_parameters(), net.dense_parameters(), training["learning_rate"])
    sampler = NegativeSampler("uniform", log.catalogue + 2)
    best, kept, curve, salt = 0, {}, [], 0
    for epoch in range(1, training["epochs"] + 1):
        net.train()
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(1000 * seed + epoch)).to(device)
        for step, row_B in enumerate(order.split(training["batch_size"])):
            salt += 1
            drawn = sampler.draw(training["negatives"], generator_for(seed, epoch, step))
            negatives = (drawn.items_N.to(device), drawn.log_expected_N.to(device))
            method.losses(rows.take(row_B), *negatives, salt).mean().backward()
            optimiser.step()
        net.eval()
        ranks = ranks_of(method, log, "validation", length, device)
        curve.append(float((ranks <= 20).mean() + (ranks <= 50).mean()))
        if curve[-1] > max(curve[:-1], default=-1.0):
            best, kept = epoch, {name: value.clone() for name, value in net.state_dict().items()}
        if epoch - best >= PATIENCE:
            break
    net.load_state_dict(kept)
    return best, curve


@torch.no_grad()
def ranks_of(method: Method, log: Sequences, split: str, length: int, device: str) -> NDArray[np.int64]:
    """Rank of each user's target among all items that the user had not chosen before, from 1; equal scores by index.

    What `mind.evaluation.evaluate` gives with the seen items excluded (a test compares them), without leaving the
    device.
    """
    net: Any = method.net
    place = log.positions(split)
    rows, items = Rows(log, place, length, device), torch.arange(2, log.catalogue + 2, device=device)
    items_VD = net.item_vectors(items)
    ranks = []
    for first in range(0, len(rows), 1024):
        taken = rows.take(slice(first, first + 1024))
        here = place[first : first + 1024]
        score_BV = best_scores(method.interests(taken), items_VD)
        target_B1 = taken[3][:, :1].long() - 2
        target_score_B1 = score_BV.gather(1, target_B1)
        ahead_BV = (score_BV > target_score_B1) | ((score_BV == target_score_B1) & (items - 2 < target_B1))
        longest = int((here - log.starts[log.user_of(here)]).max())
        seen_BX = torch.from_numpy(log.before(here, longest)).to(device)
        # Padding goes to a column too many.
        beyond_BX = torch.where(seen_BX > 0, seen_BX - 2, log.catalogue)
        ahead_BV = torch.nn.functional.pad(ahead_BV, (0, 1)).scatter_(1, beyond_BX, False)
        ranks.append(1 + ahead_BV[:, : log.catalogue].sum(dim=1))
    return torch.cat(ranks).cpu().numpy()
