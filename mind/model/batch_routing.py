"""Routing of a training batch, without gradients: users of like length together, so that little padding is computed.

Shapes: B batch, L history length, K interests, D dimension, U distinct items, b users of a bucket, l its width.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mind.model.arithmetic import FAST
from mind.model.batches import Batch
from mind.model.interests import packed_weights
from mind.model.recency import weighted_mean
from mind.model.routing import routing_weights, squash

if TYPE_CHECKING:
    from mind.model.mind import MIND

BUCKETS = 4
"""Users are routed in this many groups of like length; more mean less padding and more calls."""


class RoutedUsers(NamedTuple):
    """All of them constants; zero where a user has nothing."""

    weights_BKL: Tensor
    """w_ij after the last update, eq (5)."""
    capsules_BKD: Tensor
    mean_BD: Tensor | None
    """Mean of the mapped behaviours by their weights, where it takes part."""


@torch.no_grad()
def routed(model: "MIND", batch: Batch, item_UD: Tensor, salt: int) -> RoutedUsers:
    """Weights, capsules and means of a batch whose items have the rows item_UD."""
    users, width = batch.history_BL.shape
    mapped_UD = item_UD.new_zeros(len(item_UD) + 1, item_UD.shape[1])
    torch.mm(item_UD, model.mapping_DD.T, out=mapped_UD[1:])
    weights_BKL = mapped_UD.new_zeros(users, model.architecture.interests, width)
    capsules = [mapped_UD.new_zeros(0, model.architecture.interests, mapped_UD.shape[1])]
    means = [mapped_UD.new_zeros(0, mapped_UD.shape[1])]
    for rows, longest in _buckets(batch.length_B):
        latest = (rows, slice(width - longest, width))
        mask_bl, age_bl = batch.mask_BL[latest], None if batch.age_BL is None else batch.age_BL[latest]
        weight_bl = packed_weights(model, mask_bl, age_bl)
        mapped_blD = functional.embedding(batch.behaviours.place_BL[latest], mapped_UD)
        if model.recency is not None:
            # Padding gets a place's vector too, but no weight.
            mapped_blD += functional.linear(model.recency.latest_places(longest), model.mapping_DD)
        if model.behaviour_time is not None:
            assert age_bl is not None
            mapped_blD += functional.embedding(
                age_bl, functional.linear(model.behaviour_time.vector_AD, model.mapping_DD)
            )
        if model.architecture.needs_mean:
            means.append(weighted_mean(mapped_blD, mask_bl, weight_bl, FAST))
        if model.architecture.method == "youtube_dnn":
            capsules.append(means[-1].unsqueeze(1))
            continue
        start_blK = model.start(batch.history_BL[latest], mapped_blD, salt)
        weights_bKl = routing_weights(
            mapped_blD,
            mask_bl,
            start_blK.transpose(1, 2),
            batch.active_BK[rows],
            model.architecture.routing_iterations,
            weight_BL=weight_bl,
        )
        weights_BKL[rows, :, width - longest :] = weights_bKl
        summed_bKl = weights_bKl if weight_bl is None else weights_bKl * weight_bl.unsqueeze(1)
        capsules.append(squash(FAST.product(summed_bKl.to(mapped_blD.dtype), mapped_blD)))
    return RoutedUsers(weights_BKL, torch.cat(capsules), torch.cat(means) if model.architecture.needs_mean else None)


def _buckets(length_B: Tensor) -> Iterator[tuple[slice, int]]:
    """Neighbouring rows of ascending lengths, and the longest of each, at least 1."""
    users = len(length_B)
    size = max(-(-users // BUCKETS), 1)
    ends = [min(first + size, users) for first in range(0, users, size)]
    longest = length_B[[end - 1 for end in ends]].tolist() if ends else []
    for end, length in zip(ends, longest, strict=True):
        yield slice((end - 1) // size * size, end), max(length, 1)
