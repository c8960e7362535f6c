"""Sampled softmax, eq (10) and (11): written plainly, and as one step with its gradient by hand.

Shapes: B batch, N sampled negatives, J vectors of a user, D dimension, H accidental hits.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from mind.model.arithmetic import at_least_float32, unit

BLOCK = 64
"""Users whose scores are computed at a time on a CPU."""


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


def likeness(vector_BJD: Tensor, is_active_BJ: Tensor) -> Tensor:
    """Mean squared cosine over the pairs of a user's active vectors, 0 for a user with one: [B]."""
    unit_BJD = unit(vector_BJD).masked_fill(~is_active_BJ.unsqueeze(2), 0.0)
    square_BJJ = torch.matmul(unit_BJD, unit_BJD.transpose(1, 2)).square()
    with_itself_B = square_BJJ.diagonal(dim1=1, dim2=2).sum(dim=1)
    count_B = is_active_BJ.sum(dim=1)
    return (square_BJJ.sum(dim=(1, 2)) - with_itself_B) / (count_B * (count_B - 1)).clamp_min(1)


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
    """`sampled_softmax` of the largest of J scores of each negative, and its gradient, by blocks of users whose scores
    fit a core's cache: over all users at once the same products and maxima take three times as long."""

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
        users, negatives = len(vector_BJD), len(negative_ND)
        negative_DN = negative_ND.T.contiguous()
        power_BN = vector_BJD.new_empty(users, negatives)
        power_B, total_B = torch.empty_like(positive_B), torch.empty_like(positive_B)
        log_total_B = torch.empty_like(positive_B)
        wins: list[Tensor | None] = []
        for rows, vectors, all_active, hits_here in _blocks(is_active_BJ, hit_H):
            score_JbN = _products(vector_BJD[rows, :vectors], negative_DN)
            if not all_active:
                score_JbN.masked_fill_(~is_active_BJ[rows, :vectors].T.unsqueeze(2), float("-inf"))
            score_bN, win_JbN = _largest(score_JbN, power_BN[rows])
            wins.append(win_JbN)
            if log_expected_N is not None:
                score_bN.sub_(log_expected_N.to(score_bN.dtype))
            power_BN[hits_here] = float("-inf")
            # The positive is in the sum, so that it is finite even where every negative is a hit.
            top_b = torch.maximum(score_bN.amax(dim=1), positive_B[rows])
            score_bN.sub_(top_b.unsqueeze(1)).exp_()
            torch.exp(positive_B[rows] - top_b, out=power_B[rows])
            torch.add(score_bN.sum(dim=1), power_B[rows], out=total_B[rows])
            torch.add(total_B[rows].log(), top_b - positive_B[rows], out=log_total_B[rows])
        ctx.save_for_backward(vector_BJD, negative_ND, power_BN, 1.0 / total_B, power_B, is_active_BJ)
        ctx.wins, ctx.hits = wins, hit_H
        return log_total_B

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_B: Tensor) -> tuple[Tensor | None, ...]:
        vector_BJD, negative_ND, power_BN, share_B, power_B, is_active_BJ = ctx.saved_tensors
        weight_B = gradient_B * share_B
        weighted_BJD = vector_BJD * weight_B.view(-1, 1, 1)
        vector_gradient_BJD, negative_gradient_ND = torch.zeros_like(vector_BJD), torch.zeros_like(negative_ND)
        blocks = _blocks(is_active_BJ, ctx.hits)
        for (rows, vectors, *_), win_JbN in zip(blocks, ctx.wins, strict=True):
            power_JbN = power_BN[rows].unsqueeze(0)
            if win_JbN is not None:
                power_JbN = power_JbN * win_JbN
            power_XN = power_JbN.flatten(0, 1)
            of_vectors_JbD = torch.mm(power_XN, negative_ND).view(vectors, -1, vector_BJD.shape[2])
            torch.mul(
                of_vectors_JbD.transpose(0, 1), weight_B[rows].view(-1, 1, 1), out=vector_gradient_BJD[rows, :vectors]
            )
            of_block_XD = weighted_BJD[rows, :vectors].transpose(0, 1).flatten(0, 1)
            negative_gradient_ND.addmm_(power_XN.T, of_block_XD)
        return vector_gradient_BJD, negative_gradient_ND, weight_B * power_B - gradient_B, None, None, None


def _blocks(
    is_active_BJ: Tensor, hit_H: tuple[Tensor, Tensor]
) -> Iterator[tuple[slice, int, bool, tuple[Tensor, Tensor]]]:
    """Neighbouring users: their rows, how many vectors they have at most, whether all have as many, and their hits
    (whose rows ascend)."""
    users, vectors = is_active_BJ.shape
    # A cache to fit is a CPU's concern; a GPU wants few great products.
    size = BLOCK if is_active_BJ.device.type == "cpu" else max(users, 1)
    last_B = (is_active_BJ * torch.arange(1, vectors + 1, device=is_active_BJ.device)).amax(dim=1)
    count_B = is_active_BJ.sum(dim=1)
    firsts = range(0, users, size)
    begin = torch.searchsorted(hit_H[0].contiguous(), torch.tensor([*firsts, users], device=hit_H[0].device)).tolist()
    for number, first in enumerate(firsts):
        rows, hit = slice(first, min(first + size, users)), slice(begin[number], begin[number + 1])
        most = int(last_B[rows].max())
        yield rows, most, most == int(count_B[rows].min()), (hit_H[0][hit], hit_H[1][hit])


def _products(vector_bJD: Tensor, negative_DN: Tensor) -> Tensor:
    """Scores [J, b, N]: a vector's scores of all users lie together, so that maxima over J run along whole rows."""
    vector_JbD = vector_bJD.transpose(0, 1)
    return torch.mm(vector_JbD.flatten(0, 1), negative_DN).view(*vector_JbD.shape[:2], -1)


def _largest(score_JbN: Tensor, largest_bN: Tensor) -> tuple[Tensor, Tensor | None]:
    """The largest score of each negative, written to largest_bN, and a 1 where a vector has it (of equal ones the
    first), uint8 [J, b, N]; None for a single vector."""
    largest_bN.copy_(score_JbN[0])
    if len(score_JbN) == 1:
        return largest_bN, None
    win_JbN = torch.empty_like(score_JbN, dtype=torch.bool)
    for place in range(1, len(score_JbN)):
        torch.gt(score_JbN[place], largest_bN, out=win_JbN[place])
        torch.maximum(largest_bN, score_JbN[place], out=largest_bN)
    # Who was the largest so far when it came is the largest of all unless a later one came above it.
    beaten_bN = win_JbN[-1].clone()
    for place in range(len(score_JbN) - 2, 0, -1):
        win_JbN[place] &= ~beaten_bN
        beaten_bN |= win_JbN[place]
    torch.logical_not(beaten_bN, out=win_JbN[0])
    return largest_bN, win_JbN.view(torch.uint8)


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
