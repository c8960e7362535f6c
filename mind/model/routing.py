"""Behaviour-to-interest dynamic routing, eq (5) to (9).

Shapes: B batch, L history length, K interests, D dimension, ... any leading dimensions.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mind.model.arithmetic import FAST, Arithmetic, at_least_float32


class Routed(NamedTuple):
    """Capsules of a batch of users."""

    capsules_BKD: Tensor
    """u_j, of length below 1; zero where inactive."""
    active_BK: Tensor
    """True for the first K'_u interests of each user."""
    weights_BLK: Tensor
    """w_ij of the last iteration; each real behaviour's row sums to 1, padding and inactive interests are "
    "0."""


def interest_count(lengths: Tensor, interests: int) -> Tensor:
    """K'_u = max(1, min(K, floor(log2 n))), eq (9), for lengths [...] of real behaviours: int64 [...].

    Integers only: a floating logarithm of 8 may be 2.9999.
    """
    powers = 2 ** torch.arange(1, min(interests, 62) + 1, device=lengths.device)
    return (lengths.long().unsqueeze(-1) >= powers).sum(dim=-1).clamp_min(1)


def active_interests(lengths_B: Tensor, interests: int, adaptive: bool) -> Tensor:
    """Which of the K interests each user has, bool [B, K]: the first K'_u, or all when not adaptive."""
    index_K = torch.arange(interests, device=lengths_B.device)
    if not adaptive:
        return torch.ones(lengths_B.shape[0], interests, dtype=torch.bool, device=lengths_B.device)
    return index_K < interest_count(lengths_B, interests).unsqueeze(-1)


def squash(z: Tensor, arithmetic: Arithmetic = FAST) -> Tensor:
    """|z|^2 / (1 + |z|^2) * z / |z| over the last dimension, eq (7)(8).

    Written as z |z| / (1 + |z|^2), and in float32 for half precision types, so that value and gradient are
    finite at zero (both 0 there).
    """
    wide = at_least_float32(z)
    length = arithmetic.norm(wide)
    return (wide * (length / (1.0 + length * length))).to(z.dtype)


def route(
    mapped_BLD: Tensor,
    mask_BL: Tensor,
    start_BLK: Tensor,
    active_BK: Tensor,
    iterations: int,
    arithmetic: Arithmetic = FAST,
    weight_BL: Tensor | None = None,
) -> Routed:
    """Routing of S e_i to interests, `iterations` times, eq (5) to (8).

    The softmax runs over the interests of each behaviour. Agreement is added to the logits.
    Gradients flow through the last weighted sum and its squash only; logits and weights are constants
    (common practice; not in the paper).

    Args:
        mapped_BLD: S e_i of each behaviour, zeros for padding (whose e_i is zero).
        mask_BL: True for real behaviours; padding carries no weight.
        start_BLK: starting logits b_ij (`routing_start.py`).
        active_BK: interests that take part in the softmax; at least one a user.
        iterations: r, at least 1.
        arithmetic: FAST for training, ORDER_FREE for results that do not depend on the batch.
        weight_BL: a_r of each behaviour, by which w_ij is multiplied in every sum (`recency.py`); None for 1.
    """
    fixed_BL = None if weight_BL is None else weight_BL.detach()
    weights_BKL = routing_weights(
        mapped_BLD.detach(), mask_BL, start_BLK.transpose(1, 2), active_BK, iterations, arithmetic, fixed_BL
    )
    summed_BKL = weights_BKL if weight_BL is None else weights_BKL * weight_BL.unsqueeze(1)
    capsules_BKD = squash(arithmetic.product(summed_BKL.to(mapped_BLD.dtype), mapped_BLD), arithmetic)
    return Routed(capsules_BKD, active_BK, weights_BKL.transpose(1, 2))


@torch.no_grad()
def routing_weights(
    mapped_BLD: Tensor,
    mask_BL: Tensor,
    start_BKL: Tensor,
    active_BK: Tensor,
    iterations: int,
    arithmetic: Arithmetic = FAST,
    weight_BL: Tensor | None = None,
) -> Tensor:
    """Eq (5)'s w_ij after the last update of the logits, constants: [B, K, L]; zero for padding.

    Interests stand before behaviours, so that the softmax over four of them runs along whole registers. Padding has
    mapped_BLD of zeros: whatever weight it has on the way adds nothing to a capsule.
    """
    inactive_BK1 = ~active_BK.unsqueeze(2)
    logits_BKL = start_BKL.to(at_least_float32(mapped_BLD).dtype).masked_fill(inactive_BK1, float("-inf"))
    weights_BKL = arithmetic.softmax(logits_BKL, dim=1)
    for _ in range(iterations - 1):
        if weight_BL is not None:
            weights_BKL = weights_BKL * weight_BL.unsqueeze(1)
        capsules_BKD = squash(arithmetic.product(weights_BKL.to(mapped_BLD.dtype), mapped_BLD), arithmetic)
        agreement_BKL = arithmetic.product(capsules_BKD, mapped_BLD.transpose(1, 2))
        logits_BKL = logits_BKL + agreement_BKL.to(logits_BKL.dtype)
        weights_BKL = arithmetic.softmax(logits_BKL, dim=1)
    return weights_BKL.masked_fill(~mask_BL.unsqueeze(1), 0.0)
