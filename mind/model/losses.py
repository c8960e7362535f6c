"""Sampled softmax, eq (10) and (11): written plainly, and as one step with its gradient by hand.

Shapes: B batch, N sampled negatives, J vectors of a user, D dimension, H accidental hits.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from mind.model.arithmetic import at_least_float32


def sampled_softmax(positive_B: Tensor, negative_BN: Tensor, log_expected: Tensor | None, is_hit_BN: Tensor) -> Tensor:
    """-log of the positive's share of an estimate of the full softmax's normaliser; one loss a row, [B].

    Z ~ exp(s_pos) + sum over negatives of exp(s_neg) / (expected count of neg). Negatives equal to the
    positive are left out, so that Z is unbiased: E[Z] = sum over the catalogue of exp(s). Rows are not
    averaged: ranks may hold different numbers of rows, and the caller weighs them.

    Args:
        positive_B: score of the target.
        negative_BN: scores of the negatives.
        log_expected: log of each negative's expected count in the draw, [N] or [B, N]; None: no correction.
        is_hit_BN: True where a negative is the row's own target. A row of hits only has loss 0.
    """
    positive_B1 = at_least_float32(positive_B).unsqueeze(1)
    corrected_BN = at_least_float32(negative_BN)
    if log_expected is not None:
        corrected_BN = corrected_BN - log_expected.to(corrected_BN.dtype)
    corrected_BN = corrected_BN.masked_fill(is_hit_BN, float("-inf"))
    # The positive is in the sum, so that it is finite even where every negative is a hit.
    normaliser_B = torch.logsumexp(torch.cat([positive_B1, corrected_BN], dim=1), dim=1)
    return normaliser_B - positive_B1.squeeze(1)


def hits(target_B: Tensor, negatives_N: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns [H] where a negative is the row's own target, without comparing all with all."""
    sorted_N, order_N = torch.sort(negatives_N, stable=True)
    target_B = target_B.contiguous()
    first_B = torch.searchsorted(sorted_N, target_B)
    count_B = torch.searchsorted(sorted_N, target_B, right=True) - first_B
    row_H = torch.repeat_interleave(count_B)
    before_H = (count_B.cumsum(0) - count_B)[row_H]
    place_H = first_B[row_H] + torch.arange(len(row_H), device=row_H.device) - before_H
    return row_H, order_N[place_H]


class _BestOfVectors(Function):
    """`sampled_softmax` of the largest of J scores of each negative, and its gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        vector_BJD: Tensor,
        negative_ND: Tensor,
        positive_B: Tensor,
        log_expected_N: Tensor | None,
        is_active_BJ: Tensor,
        hit_H: tuple[Tensor, Tensor],
    ) -> Tensor:
        users, vectors = is_active_BJ.shape
        score_BJN = torch.mm(vector_BJD.flatten(0, 1), negative_ND.T).view(users, vectors, len(negative_ND))
        best_BN = None
        if vectors == 1:
            score_BN = score_BJN.squeeze(1)
        else:
            score_BN, best_BN = score_BJN.masked_fill_(~is_active_BJ.unsqueeze(-1), float("-inf")).max(dim=1)
        if log_expected_N is not None:
            score_BN.sub_(log_expected_N.to(score_BN.dtype))
        score_BN[hit_H] = float("-inf")
        # The positive is in the sum, so that it is finite even where every negative is a hit.
        top_B = torch.maximum(score_BN.amax(dim=1), positive_B)
        power_BN = score_BN.sub_(top_B.unsqueeze(1)).exp_()
        power_B = (positive_B - top_B).exp()
        total_B = power_BN.sum(dim=1) + power_B
        ctx.save_for_backward(vector_BJD, negative_ND, power_BN, best_BN, 1.0 / total_B, power_B)
        return total_B.log() + (top_B - positive_B)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_B: Tensor) -> tuple[Tensor | None, ...]:
        vector_BJD, negative_ND, power_BN, best_BN, share_B, power_B = ctx.saved_tensors
        users, vectors, width = vector_BJD.shape
        weight_B = gradient_B * share_B
        power_BJN = power_BN.unsqueeze(1)
        if best_BN is not None:
            power_BJN = power_BN.new_zeros(users, vectors, power_BN.shape[1])
            power_BJN.scatter_(1, best_BN.unsqueeze(1), power_BN.unsqueeze(1))
        power_XN = power_BJN.reshape(users * vectors, len(negative_ND))
        weight_B11 = weight_B.view(-1, 1, 1)
        vector_gradient_BJD = torch.mm(power_XN, negative_ND).view_as(vector_BJD) * weight_B11
        negative_gradient_ND = torch.mm(power_XN.T, (vector_BJD * weight_B11).view(users * vectors, width))
        return vector_gradient_BJD, negative_gradient_ND, weight_B * power_B - gradient_B, None, None, None


def best_vector_softmax(
    vector_BJD: Tensor,
    is_active_BJ: Tensor,
    negative_ND: Tensor,
    positive_B: Tensor,
    log_expected_N: Tensor | None,
    hit_H: tuple[Tensor, Tensor],
) -> Tensor:
    """`sampled_softmax` where a negative's score is its largest dot with one of the user's active vectors: [B].

    Scores, correction, hits, softmax and gradient in one pass over [B, N]; of equal scores the first vector gets the
    gradient. Computed in float32 at least.

    Args:
        vector_BJD: already divided by the temperature, as is positive_B.
        is_active_BJ: at least one True a row.
        hit_H: from `hits`.
    """
    floats = [at_least_float32(x) for x in (vector_BJD, negative_ND, positive_B)]
    with torch.autocast(vector_BJD.device.type, enabled=False):
        losses_B: Tensor = _BestOfVectors.apply(  # type: ignore[no-untyped-call]
            *floats, log_expected_N, is_active_BJ, hit_H
        )
    return losses_B
