"""Look-ups that touch each distinct row once, forward and backward.

Shapes: V rows of a table, M look-ups, U distinct values, T behaviours of a batch (no padding), B users, D dimension,
J weighted sums a user, R further rows.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

BLOCK = 64
"""Users whose behaviours' rows are copied at a time, where a copy is needed."""
_PLACE_BITS = 32
"""Item indexes and places in a batch are below 2^31."""


class Grouped(NamedTuple):
    """Equal numbers brought together by one sort."""

    value_U: Tensor
    """The distinct numbers, ascending."""
    inverse_M: Tensor
    """Place in value_U of each number."""
    order_M: Tensor
    """Places of the numbers, those of equal ones beside each other."""
    first_U: Tensor
    """Where in order_M each distinct number begins."""


def grouped(number_M: Tensor) -> Grouped:
    """The distinct numbers of number_M (int64) and where each stands."""
    sorted_M, order_M = _stably_sorted(number_M)
    new_M = torch.ones_like(sorted_M, dtype=torch.bool)
    new_M[1:] = sorted_M[1:] != sorted_M[:-1]
    first_U = new_M.nonzero().squeeze(1)
    inverse_M = torch.empty_like(order_M).index_copy_(0, order_M, new_M.cumsum(0) - 1)
    return Grouped(sorted_M[first_U], inverse_M, order_M, first_U)


def _stably_sorted(number_M: Tensor) -> tuple[Tensor, Tensor]:
    if number_M.device.type != "cpu":
        return torch.sort(number_M, stable=True)
    # A number and its place in one word: numpy sorts words much faster than torch sorts pairs.
    word_M = (number_M.long() << _PLACE_BITS).bitwise_or_(torch.arange(len(number_M)))
    word_M.numpy().sort()
    return word_M >> _PLACE_BITS, word_M & ((1 << _PLACE_BITS) - 1)


def summed(rows_MD: Tensor, order_M: Tensor, first_U: Tensor, weight_M: Tensor | None = None) -> Tensor:
    """For each of U neighbouring stretches of order_M that begin at first_U: the sum of (weighted) rows, [U, D]."""
    if order_M.numel() == 0:
        return rows_MD.new_zeros(len(first_U), rows_MD.shape[1])
    return functional.embedding_bag(order_M, rows_MD, first_U, mode="sum", per_sample_weights=weight_M)


class _TableRows(Function):
    @staticmethod
    def forward(ctx: Any, table_VD: Tensor, code_M: Tensor, distinct: bool) -> Tensor:
        ctx.save_for_backward(code_M)
        ctx.distinct, ctx.shape = distinct, table_VD.shape
        return table_VD.index_select(0, code_M)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_MD: Tensor) -> tuple[Tensor, None, None]:
        (code_M,) = ctx.saved_tensors
        value_U, gradient_UD = code_M, gradient_MD
        if not ctx.distinct:
            found = grouped(code_M)
            value_U, gradient_UD = found.value_U, summed(gradient_MD.contiguous(), found.order_M, found.first_U)
        # Row 0 is padding and stays zero; codes ascend, so only the first can be it.
        if value_U.numel() and int(value_U[0]) == 0:
            value_U, gradient_UD = value_U[1:], gradient_UD[1:]
        gradient = torch.sparse_coo_tensor(
            value_U[None], gradient_UD, ctx.shape, is_coalesced=True, check_invariants=False
        )
        return gradient, None, None


def table_rows(table_VD: Tensor, code_M: Tensor, *, distinct: bool = False) -> Tensor:
    """Rows of a table [M, D], whose gradient is sparse, coalesced and without row 0.

    Args:
        table_VD: the parameter.
        code_M: int64.
        distinct: code_M ascends and holds no number twice; the backward pass then has nothing to sum.
    """
    rows_MD: Tensor = _TableRows.apply(table_VD, code_M, distinct)  # type: ignore[no-untyped-call]
    return rows_MD


class Behaviours(NamedTuple):
    """Which rows of a matrix [U, D] the users' behaviours are, one user after the other; and further rows."""

    row_T: Tensor
    user_T: Tensor
    first_B: Tensor
    """Where in row_T each user begins."""
    order_T: Tensor
    """Places in row_T, those of equal rows beside each other."""
    first_U: Tensor
    """Where in order_T each row begins."""
    row_R: Tensor
    place_BL: Tensor
    """Row of each behaviour plus 1, by user; 0 for padding."""
    mask_BL: Tensor
    """Where a behaviour stands in place_BL; its order by rows is that of row_T."""


class _Collected(Function):
    @staticmethod
    def forward(
        ctx: Any, item_UD: Tensor, weight_JT: Tensor, given: Behaviours, kept_UD: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        behaved_UD = item_UD if kept_UD is None else item_UD * kept_UD
        ctx.given = given
        ctx.save_for_backward(behaved_UD, weight_JT, kept_UD)
        sums = [summed(behaved_UD, given.row_T, given.first_B, weight_T) for weight_T in weight_JT]
        return torch.stack(sums, dim=1), item_UD.index_select(0, given.row_R)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, sum_BJD: Tensor, row_RD: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        (behaved_UD, weight_JT, kept_UD), given = ctx.saved_tensors, ctx.given
        # All sums of a behaviour's user go to its row in one pass: a pass for each sum would write every row each time.
        sums = len(weight_JT)
        sum_TJ = given.user_T[given.order_T].unsqueeze(1) * sums + torch.arange(sums, device=weight_JT.device)
        weight_TJ = weight_JT.index_select(1, given.order_T).T
        gradient_UD = summed(
            sum_BJD.reshape(-1, sum_BJD.shape[2]), sum_TJ.view(-1), given.first_U * sums, weight_TJ.reshape(-1)
        )
        if kept_UD is not None:
            gradient_UD.mul_(kept_UD)
        gradient_UD.index_add_(0, given.row_R, row_RD)
        return gradient_UD, _dots(behaved_UD, sum_BJD, given) if ctx.needs_input_grad[1] else None, None, None


def _dots(item_UD: Tensor, sum_BJD: Tensor, given: Behaviours) -> Tensor:
    """Each behaviour's row times each of its user's gradients, [J, T], by blocks of users that fit a core's cache."""
    users, width = given.mask_BL.shape
    dots_JT = item_UD.new_empty(sum_BJD.shape[1], len(given.row_T))
    before = 0
    for first in range(0, users, BLOCK):
        rows = slice(first, min(first + BLOCK, users))
        mask_bL = given.mask_BL[rows]
        length_b = mask_bL.sum(dim=1)
        # Columns of padding alone are left out: users stand in the order of their lengths.
        some, end = slice(width - int(length_b.max()), width), before + int(length_b.sum())
        row_bl = (given.place_BL[rows, some] - 1).clamp_min_(0)
        dots_bJl = torch.bmm(sum_BJD[rows], functional.embedding(row_bl, item_UD).transpose(1, 2))
        dots_JT[:, before:end] = dots_bJl.transpose(0, 1)[:, mask_bL[:, some]]
        before = end
    return dots_JT


def collected(
    item_UD: Tensor, weight_JT: Tensor, given: Behaviours, kept_UD: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """J weighted sums of each user's behaviours [B, J, D], and the further rows [R, D].

    No row is copied for a behaviour: a sum reads item_UD, and its gradient goes straight to the distinct rows. Weights
    that carry a gradient get theirs. What behaviours have of a row is multiplied by kept_UD; further rows are whole.
    """
    sums_BJD, rows_RD = _Collected.apply(  # type: ignore[no-untyped-call]
        item_UD, weight_JT.to(item_UD.dtype), given, kept_UD
    )
    return sums_BJD, rows_RD
