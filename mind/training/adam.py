"""Adam for two kinds of parameters: tables, of which a step touches few rows, and the dense rest.

Shapes: V rows of a table, M rows that a step touched, D dimension.

torch's own optimisers compute the same, but making the first of them imports torch._dynamo: about 4 s of every
process. State is named tensors, so that a checkpoint needs no pickle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

MEAN_DECAY = 0.9
SQUARE_DECAY = 0.999
EPSILON = 1e-8
BLOCK = 1024
"""Rows of a table that are updated at a time."""


class Adam:
    """Adam (Kingma, Ba 2015, algorithm 1) of dense parameters, lazy Adam of tables.

    Lazy means: a row that a step does not touch keeps its value and both its moments; they do not decay, and no step
    is taken from old momentum. The bias correction counts all steps of the table, not those of the row. It is what
    torch.optim.SparseAdam does, at the price of the touched rows alone: a dense Adam reads and writes every row of the
    table and of both moments at each step. No weight decay, so row 0 (padding) stays zero.

    Args:
        tables: parameters [V, D] whose gradients are sparse.
        dense: parameters whose gradients are not.
        learning_rate: of both.
    """

    def __init__(self, tables: Sequence[nn.Parameter], dense: Sequence[nn.Parameter], learning_rate: float) -> None:
        self._tables, self._dense, self._rate = list(tables), list(dense), learning_rate
        self._step = 0
        # Both moments of a row lie side by side: one look-up and one write instead of two of each.
        self._moments_V2D = [
            torch.zeros(len(table), 2, table.shape[1], dtype=table.dtype, device=table.device) for table in self._tables
        ]
        self._moments = [
            torch.zeros(2, *parameter.shape, dtype=parameter.dtype, device=parameter.device)
            for parameter in self._dense
        ]

    @torch.no_grad()
    def step(self) -> None:
        """One update from the gradients, which are dropped. A parameter without a gradient is left as it is."""
        self._step += 1
        size = self._rate * math.sqrt(1.0 - SQUARE_DECAY**self._step) / (1.0 - MEAN_DECAY**self._step)
        # torch.optim.Adam adds epsilon after the correction, SparseAdam before it; so do these.
        for table, moments_V2D in zip(self._tables, self._moments_V2D, strict=True):
            if table.grad is not None:
                _update_rows(table, moments_V2D, touched(table.grad), size)
                table.grad = None
        epsilon = EPSILON * math.sqrt(1.0 - SQUARE_DECAY**self._step)
        for parameter, moments in zip(self._dense, self._moments, strict=True):
            if parameter.grad is not None:
                _advance(moments[0], moments[1], parameter.grad)
                parameter.addcdiv_(moments[0], moments[1].sqrt().add_(epsilon), value=-size)
                parameter.grad = None

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on beside the parameters. Not copies."""
        named = {self.table_name(place): moments for place, moments in enumerate(self._moments_V2D)}
        named |= {f"dense {place}": moments for place, moments in enumerate(self._moments)}
        return named | {"step": torch.tensor(self._step)}

    @staticmethod
    def table_name(place: int) -> str:
        """What the moments of a table are called in the state, a row for each of the table's."""
        return f"table {place}"

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state`.

        Raises:
            ValueError: the state is of other parameters.
        """
        own = self.state()
        wrong = sorted(name for name in own.keys() | state.keys() if _shape(own, name) != _shape(state, name))
        if wrong:
            raise ValueError(f"the optimiser's state does not fit these parameters: {', '.join(wrong)}; train anew")
        for name, value in own.items():
            value.copy_(state[name])
        self._step = int(state["step"])


def _shape(state: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(state[name].shape) if name in state else None


def _advance(mean: Tensor, square: Tensor, gradient: Tensor) -> None:
    mean.lerp_(gradient, 1.0 - MEAN_DECAY)
    square.mul_(SQUARE_DECAY).addcmul_(gradient, gradient, value=1.0 - SQUARE_DECAY)


def touched(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [M], ascending and distinct, and values [M, D] of a sparse gradient.

    The model's gradients are so already, but autograd forgets to say so when it stores them, and coalescing sorts.
    """
    row_M, value_MD = gradient._indices()[0], gradient._values()
    if bool((row_M[1:] > row_M[:-1]).all()):
        return row_M, value_MD
    gradient = gradient.coalesce()
    return gradient.indices()[0], gradient.values()


def _update_rows(table: Tensor, moments_V2D: Tensor, gradient: tuple[Tensor, Tensor], size: float) -> None:
    if table.device.type != "cpu":
        update_by_blocks(table, moments_V2D, gradient, size)
        return
    row_M, gradient_MD = gradient[0].numpy(), gradient[1].contiguous().numpy()
    number = gradient_MD.dtype.type  # a bare float would have everything computed in float64
    constants = [number(value) for value in (1.0 - MEAN_DECAY, 1.0 - SQUARE_DECAY, EPSILON, size)]
    _compiled()(table.detach().numpy(), moments_V2D.numpy(), row_M, gradient_MD, *constants)


def update_by_blocks(table: Tensor, moments_V2D: Tensor, gradient: tuple[Tensor, Tensor], size: float) -> None:
    """What the compiled loop does, by torch: on a GPU, and for the test to hold it against."""
    # In blocks that fit a core's cache: each row then comes from memory once and goes back once.
    for row_M, gradient_MD in zip(*(torch.split(part, BLOCK) for part in gradient), strict=True):
        touched_M2D = moments_V2D.index_select(0, row_M)
        mean_MD, square_MD = touched_M2D.unbind(1)
        _advance(mean_MD, square_MD, gradient_MD)
        moments_V2D.index_copy_(0, row_M, touched_M2D)
        table.index_add_(0, row_M, mean_MD / square_MD.sqrt().add_(EPSILON), alpha=-size)


@lru_cache
def _compiled() -> Any:
    """update(table_VD, moments_V2D, row_M, gradient_MD, mean_rate, square_rate, epsilon, size), in place.

    One pass over the touched rows, whose numbers stay in registers: torch's calls write every result between to memory
    (docs/decisions.md). Rounding is IEEE's, without fused operations, on every machine.
    """
    from numba import njit

    def update(table_VD, moments_V2D, row_M, gradient_MD, mean_rate, square_rate, epsilon, size):  # type: ignore[no-untyped-def]
        for place in range(len(row_M)):
            row = row_M[place]
            value_D, mean_D, square_D = table_VD[row], moments_V2D[row, 0], moments_V2D[row, 1]
            gradient_D = gradient_MD[place]
            for at in range(len(gradient_D)):
                gradient = gradient_D[at]
                mean = mean_D[at] + (gradient - mean_D[at]) * mean_rate
                square = square_D[at] + (gradient * gradient - square_D[at]) * square_rate
                mean_D[at], square_D[at] = mean, square
                value_D[at] -= size * mean / (np.sqrt(square) + epsilon)

    # numpy's division: without a check for zero, which would keep the loop from running in whole registers.
    return njit(update, nogil=True, error_model="numpy")
