"""What a batch is to predict: the target of each row, and the next targets that a row may be given beside it.

Shapes: B batch, E next targets of a row, W positives (wanted items) of the batch.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Positives(NamedTuple):
    """Every target once for each row that has it."""

    item_W: Tensor
    """Item indexes, int64: the own target of each row, then the next targets that are there, row by row."""
    row_W: Tensor | None
    """The row of each; None where rows have their own target alone."""

    def spread(self, of_row: Tensor) -> Tensor:
        """What rows have [B, ...] for each of their positives [W, ...]."""
        return of_row if self.row_W is None else of_row.index_select(0, self.row_W)

    def mean(self, loss_W: Tensor, rows: int) -> Tensor:
        """Of each row the mean over its positives [B]."""
        if self.row_W is None:
            return loss_W
        total_B = loss_W.new_zeros(rows).index_add(0, self.row_W, loss_W)
        return total_B / torch.bincount(self.row_W, minlength=rows)


def positives_of(target_B: Tensor, next_BE: Tensor | None) -> Positives:
    """Item indexes of targets, int64, and of next targets, 0 for none; None: there are no next targets."""
    if next_BE is None:
        return Positives(target_B, None)
    is_there_BE = next_BE != 0
    own_B = torch.arange(len(target_B), device=target_B.device)
    return Positives(
        torch.cat([target_B, next_BE[is_there_BE].long()]), torch.cat([own_B, is_there_BE.nonzero()[:, 0]])
    )
