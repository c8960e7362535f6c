"""A table whose rows are divided among the ranks of a training: each holds its own, and a batch sees those it needs.

Shapes: V rows of the table, S of them on this rank, U rows that a batch needs, D dimension.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mind.model.codes import FIRST_REAL

DRAWN_AT_ONCE = 1 << 14
"""Rows, a multiple of 16: torch draws normal numbers in groups of 16, so that pieces are those of one draw."""

TableMaker = Callable[[int, int, float, torch.Generator], nn.Module]
"""(rows, dimension, standard deviation at the start, generator) -> a module with a parameter `weight`."""


class DividedTable(nn.Module):
    """One rank's rows of an embedding table. Row i is of rank i % ranks and stands there at i // ranks.

    Neighbouring rows are on different ranks because a vocabulary that grows has its oldest values first, which are
    seen more often than the new ones: stretches of rows would give most of the work to the first rank.

    Args:
        weight_SD: this rank's rows.
        size: V.
    """

    def __init__(self, weight_SD: Tensor, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight_SD)
        self.size = size
        self._code_U = torch.zeros(0, dtype=torch.int64)
        self._window_UD: Tensor | None = None

    def show(self, code_U: Tensor, row_UD: Tensor) -> None:
        """Let look-ups find these rows, until the next call, and gather their gradient.

        Args:
            code_U: int64, ascending, none twice, the first of them 0 (padding).
            row_UD: their rows.
        """
        self._code_U, self._window_UD = code_U, row_UD.detach().requires_grad_()

    def seen(self, codes_M: Tensor) -> tuple[Tensor, Tensor]:
        """The rows that are shown [U, D], and the place among them of each code [M].

        Raises:
            LookupError: a row is not shown.
        """
        if self._window_UD is None:
            raise LookupError("no rows of a divided table are here yet; bring those of the batch before it is computed")
        place_M = torch.searchsorted(self._code_U, codes_M.contiguous()).clamp_(max=len(self._code_U) - 1)
        absent_M = self._code_U[place_M] != codes_M
        if bool(absent_M.any()):
            raise LookupError(
                f"row {int(codes_M[absent_M][0])} of a divided table of {self.size} rows is not here; "
                "bring all rows of the batch before it is computed"
            )
        return self._window_UD, place_M

    def take_gradient(self) -> tuple[Tensor, Tensor | None]:
        """Codes of the rows that were shown, and their gradient [U, D] (sparse; None: none came). It is dropped."""
        assert self._window_UD is not None
        gradient, self._window_UD.grad = self._window_UD.grad, None
        return self._code_U, gradient


def divided(least_rows: int, rank: int, ranks: int, otherwise: TableMaker) -> TableMaker:
    """A maker of tables that divides those of at least `least_rows` rows and leaves the others to `otherwise`.

    The rows are those that `otherwise` would draw, to the bit, and the generator ends where it would.
    """

    def make(size: int, dimension: int, deviation: float, generator: torch.Generator) -> nn.Module:
        if size < least_rows:
            return otherwise(size, dimension, deviation, generator)
        return DividedTable(_drawn(size, dimension, deviation, generator, rank, ranks), size)

    return make


def _drawn(size: int, dimension: int, deviation: float, generator: torch.Generator, rank: int, ranks: int) -> Tensor:
    weight_SD = torch.empty(len(range(rank, size, ranks)), dimension)
    first, filled = 0, 0
    while first < size:
        # The last piece may not be short: torch draws fewer than 16 numbers in another way.
        count = DRAWN_AT_ONCE if size - first >= 2 * DRAWN_AT_ONCE else size - first
        piece = torch.randn(count, dimension, generator=generator) * deviation
        if first == 0:
            piece[:FIRST_REAL] = 0.0
        mine = piece[(rank - first) % ranks :: ranks]
        weight_SD[filled : filled + len(mine)] = mine
        first, filled = first + count, filled + len(mine)
    return weight_SD
