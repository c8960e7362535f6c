"""Histories as the model takes them: item indexes from the oldest to the most recent, 0 as padding.

Shapes: B batch, L history length.
"""

import torch
from torch import Tensor


def pack_history(history: Tensor, length: int) -> Tensor:
    """The most recent `length` real behaviours of each row [B, any], in order, then zeros: [B, length].

    Raises:
        ValueError: history is not a matrix with a column.
    """
    return pack_beside(history, history, length)


def pack_beside(beside: Tensor, history: Tensor, length: int) -> Tensor:
    """What stands beside the behaviours that `pack_history` keeps, in their places: [B, length].

    Raises:
        ValueError: history is not a matrix with a column.
    """
    _check_shape(history)
    mask = history != 0
    rank = mask.long().cumsum(dim=1) - 1
    dropped = (mask.sum(dim=1, keepdim=True) - length).clamp_min(0)
    kept = mask & (rank >= dropped)
    # Everything that is not kept lands in one column too many, which is cut off.
    column = torch.where(kept, rank - dropped, length)
    packed = beside.new_zeros(history.shape[0], length + 1)
    return packed.scatter_(1, column, beside)[:, :length]


def bounded_history(history_BL: Tensor, length: int) -> Tensor:
    """history_BL itself where it is at most `length` wide, else packed to it.

    Raises:
        ValueError: not a matrix with a column.
    """
    _check_shape(history_BL)
    return pack_history(history_BL, length) if history_BL.shape[1] > length else history_BL


def _check_shape(history: Tensor) -> None:
    if history.dim() != 2 or history.shape[1] < 1:
        raise ValueError(
            f"history has shape {tuple(history.shape)}, it must be [B, L] with L of at least 1; pad histories with 0"
        )
