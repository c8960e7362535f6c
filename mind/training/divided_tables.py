"""The tables that are divided among the ranks: rows travel to where a batch needs them, gradients to their owners.

Shapes: V rows of a table, S of this rank, U rows that this rank needs, M rows that travel, D dimension, B rows of a
batch, L history length, P profile features, F item features, N items.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mind.model import MIND, PADDING, DividedTable, TableMaker, divided, whole_table
from mind.training.adam import touched
from mind.training.distributed import Ranks

ROWS_AT_ONCE = 1 << 16
"""Rows of a rank that travel together when a table is brought together."""


def table_maker(shard_rows: int, ranks: Ranks) -> TableMaker:
    """Divides tables of at least `shard_rows` rows among the ranks; 0: none."""
    return divided(shard_rows, ranks.rank, ranks.count, whole_table) if shard_rows else whole_table


class LookedUp(NamedTuple):
    """What a batch looks up."""

    item_N: Tensor
    """Item indexes, in any order, repeats allowed."""
    profile_BP: Tensor | None = None
    target_BF: Tensor | None = None
    """The targets' codes, which may be others than those of the catalogue."""


class DividedTables:
    """The divided tables of a model; empty where it has none. Every method is called by all ranks together."""

    def __init__(self, model: MIND, ranks: Ranks) -> None:
        self._model, self._ranks = model, ranks
        self._of_items = list(_divided(model.item_embedding.tables))
        self._of_profiles = list(_divided(model.profile_embedding.tables))
        self.parameters = {id(table.weight) for _, table in self._tables()}

    def __bool__(self) -> bool:
        return bool(self.parameters)

    def whole(self) -> list[nn.Parameter]:
        """The model's other tables, which every rank holds."""
        return [each for each in self._model.sparse_parameters() if id(each) not in self.parameters]

    @torch.no_grad()
    def bring(self, batch: LookedUp) -> None:
        """Let the model see the rows that the batch looks up, each once, and no others."""
        if not self:
            return
        item_U = torch.unique(batch.item_N.long())
        codes_UF = self._model.item_embedding.codes(item_U)
        for feature, table in self._of_items:
            parts = [codes_UF[:, feature]] + ([] if batch.target_BF is None else [batch.target_BF[:, feature]])
            self._bring(table, parts)
        for feature, table in self._of_profiles:
            self._bring(table, [] if batch.profile_BP is None else [batch.profile_BP[:, feature]])

    def return_gradients(self) -> None:
        """Give each rank the gradient of its own rows: the sum over ranks, in rank order."""
        for _, table in self._tables():
            code_U, gradient = table.take_gradient()
            place_M, value_MD = (code_U[:0], table.weight.new_zeros(0, table.weight.shape[1]))
            if gradient is not None:
                place_M, value_MD = touched(gradient)
            code_M = code_U[place_M]
            order_M, counts = self._by_owner(code_M)
            asked_M, received = self._ranks.exchanged(code_M[order_M] // self._ranks.count, counts)
            given_MD, _ = self._ranks.exchanged(value_MD[order_M], counts, received)
            table.weight.grad = torch.sparse_coo_tensor(
                asked_M[None], given_MD, table.weight.shape, check_invariants=False
            ).coalesce()

    @torch.no_grad()
    def gather(self) -> None:
        """Replace, in the leader's model, the divided tables by whole ones. The others are left with their rows."""
        for tables, found in (
            (self._model.item_embedding.tables, self._of_items),
            (self._model.profile_embedding.tables, self._of_profiles),
        ):
            for feature, table in found:
                weight_VD = self._gathered(table)
                if weight_VD is not None:
                    rows, dimension = weight_VD.shape
                    tables[feature] = nn.Embedding(rows, dimension, padding_idx=PADDING, sparse=True, _weight=weight_VD)

    def _tables(self) -> Iterator[tuple[int, DividedTable]]:
        yield from self._of_items
        yield from self._of_profiles

    def _bring(self, table: DividedTable, codes: list[Tensor]) -> None:
        # Padding is always there, so that its place is 0 whatever else is.
        code_U = torch.unique(torch.cat([torch.tensor([PADDING]), *(each.long() for each in codes)]))
        order_U, counts = self._by_owner(code_U)
        asked_M, received = self._ranks.exchanged(code_U[order_U] // self._ranks.count, counts)
        rows_UD, _ = self._ranks.exchanged(table.weight.index_select(0, asked_M), received, counts)
        table.show(code_U, torch.empty_like(rows_UD).index_copy_(0, order_U, rows_UD))

    def _by_owner(self, code_M: Tensor) -> tuple[Tensor, list[int]]:
        """Places of codes in the order of the ranks that own them, and how many each owns."""
        owner_M = code_M % self._ranks.count
        counts: list[int] = torch.bincount(owner_M, minlength=self._ranks.count).tolist()
        return torch.argsort(owner_M, stable=True), counts

    def _gathered(self, table: DividedTable) -> Tensor | None:
        """The whole table on the leader, None on the others."""
        count = self._ranks.count
        whole_VD = table.weight.new_empty(table.size, table.weight.shape[1]) if self._ranks.leads else None
        for first in range(0, -(-table.size // count), ROWS_AT_ONCE):
            mine = table.weight[first : first + ROWS_AT_ONCE]
            rows_MD, received = self._ranks.exchanged(mine, [len(mine), *[0] * (count - 1)])
            if whole_VD is not None:
                for rank, part in enumerate(torch.split(rows_MD, received)):
                    whole_VD[rank::count][first : first + ROWS_AT_ONCE] = part
        return whole_VD


def _divided(tables: nn.ModuleList) -> Iterator[tuple[int, DividedTable]]:
    yield from ((place, table) for place, table in enumerate(tables) if isinstance(table, DividedTable))
