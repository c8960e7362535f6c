"""Embedding and pooling of items and profiles, eq (2).

Shapes: V catalogue rows, F item features, P profile features, D dimension, B batch, ... any leading
    dimensions.

Codes: 0 is padding or a missing feature, 1 is unknown (out of vocabulary), real codes start at 2.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mind.model.codes import FIRST_REAL, PADDING
from mind.model.divided import DividedTable, TableMaker
from mind.model.rows import table_rows


def whole_table(size: int, dimension: int, deviation: float, generator: torch.Generator) -> nn.Embedding:
    """An untrained table that is all here: a `TableMaker`."""
    weight = torch.randn(size, dimension, generator=generator) * deviation
    # Row 0 must be zero for the sum over features; its gradient is dropped (`rows.py`), and a sparse gradient keeps
    # optimisers away from rows that a batch did not touch. Row 1 starts at zero: not in the paper.
    weight[:FIRST_REAL] = 0.0
    return nn.Embedding(size, dimension, padding_idx=PADDING, sparse=True, _weight=weight)


def _rows(table: nn.Module, codes: Tensor, distinct: bool = False) -> Tensor:
    """The table's rows for codes [...]: [..., D], with a gradient of a row for each distinct code."""
    code_M = codes.reshape(-1).long()
    weight, place_M = table.seen(code_M) if isinstance(table, DividedTable) else (table.get_parameter("weight"), code_M)
    return table_rows(weight, place_M, distinct=distinct).view(*codes.shape, weight.shape[1])


def _check_range(codes: Tensor, sizes: Sequence[int], what: str) -> None:
    if codes.shape[-1] != len(sizes):
        raise ValueError(
            f"{what} codes have {codes.shape[-1]} columns, the model has {len(sizes)} {what} features; "
            "give one column for each feature"
        )
    for feature, size in enumerate(sizes):
        column = codes[..., feature]
        if column.numel() == 0:
            continue
        low, high = int(column.min()), int(column.max())
        if low < 0 or high >= size:
            raise ValueError(
                f"{what} feature {feature} has codes from {low} to {high}, allowed are 0 to {size - 1}; "
                "encode with the vocabulary that the model was built for"
            )


class ItemEmbedding(nn.Module):
    """e_i = mean of the embeddings of the item's features that are present, eq (2).

    A missing feature (code 0) leaves the mean and does not pull it to zero; an item without any feature is
    the zero vector. The same function embeds histories, targets, negatives and the catalogue.

    Args:
        item_features_VF: integer codes of each dense item index; column 0 is the item index itself, row 0 is
            all zero.
        feature_sizes: rows of each feature's table; the first is V.
        dimension: D.
        scale: expected length at the start of e_i of an item with all its features (not in the paper).
        generator: source of the starting weights.
        table: makes each feature's table.

    Raises:
        ValueError: the catalogue breaks one of these rules.
    """

    item_features_VF: Tensor

    def __init__(
        self,
        item_features_VF: Tensor,
        feature_sizes: Sequence[int],
        dimension: int,
        *,
        scale: float,
        generator: torch.Generator,
        table: TableMaker = whole_table,
    ) -> None:
        super().__init__()
        self.sizes = tuple(feature_sizes)
        self._check_catalogue(item_features_VF)
        # A mean of F independent vectors is sqrt(F) times shorter than each of them.
        deviation = scale * math.sqrt(len(self.sizes) / dimension)
        self.tables = nn.ModuleList(table(size, dimension, deviation, generator) for size in self.sizes)
        self.register_buffer("item_features_VF", item_features_VF.detach().to(torch.int32).clone())

    def forward(self, codes_F: Tensor, *, distinct: bool = False) -> Tensor:
        """codes [..., F] -> e [..., D]. Codes are not checked here; see `check_codes`.

        Args:
            codes_F: of any leading shape.
            distinct: the item indexes (column 0) ascend and none stands there twice: the backward pass is cheaper.
        """
        total = _rows(self.tables[0], codes_F[..., 0], distinct)
        if len(self.sizes) == 1:
            return total
        # A loop, not a stacked sum: additions in a fixed order give the same bits in every batch.
        for feature, table in enumerate(list(self.tables)[1:], start=1):
            total = total + _rows(table, codes_F[..., feature])
        present = (codes_F != PADDING).sum(dim=-1, keepdim=True).clamp_min(1)
        return total / present.to(total.dtype)

    def codes(self, items: Tensor) -> Tensor:
        """Dense item indexes [...] -> their feature codes [..., F] from the catalogue."""
        return self.item_features_VF[items.long()]

    def check_codes(self, codes_F: Tensor) -> None:
        """Raise ValueError for a code outside its table. Costs a pass: for boundaries, not for every step."""
        _check_range(codes_F, self.sizes, "item")

    def check_items(self, items: Tensor) -> None:
        """Raise ValueError for an item index outside the catalogue. For boundaries, not for every step."""
        _check_range(items.unsqueeze(-1), self.sizes[:1], "item")

    def _check_catalogue(self, item_features_VF: Tensor) -> None:
        if item_features_VF.dim() != 2 or item_features_VF.is_floating_point():
            raise ValueError(
                f"item_features_VF has shape {tuple(item_features_VF.shape)} and type "
                f"{item_features_VF.dtype}, "
                "it must be a matrix [V, F] of integers; give one row for each dense item index"
            )
        rows = item_features_VF.shape[0]
        if rows != self.sizes[0]:
            raise ValueError(
                f"item_features_VF has {rows} rows and feature_sizes[0] is {self.sizes[0]}, they must be "
                "equal; build both from one vocabulary"
            )
        self.check_codes(item_features_VF)
        expected = torch.arange(rows, device=item_features_VF.device)
        if not torch.equal(item_features_VF[:, 0].long(), expected):
            raise ValueError(
                "column 0 of item_features_VF is not 0, 1, 2 ...: it must hold the item index itself; "
                "sort the catalogue by item index and keep a row for padding and one for unknown"
            )
        if bool((item_features_VF[PADDING] != PADDING).any()):
            raise ValueError(
                f"row 0 of item_features_VF is {item_features_VF[0].tolist()}, it is padding and must be all "
                "0; give real items indexes from 2"
            )


class ProfileEmbedding(nn.Module):
    """p_u: one table for each profile feature, D wide each (not in the paper), concatenated. P may be 0.

    Args:
        sizes: rows of each profile feature's table.
        dimension: D.
        scale: expected length at the start of each feature's embedding.
        generator: source of the starting weights.
        table: makes each feature's table.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        dimension: int,
        *,
        scale: float,
        generator: torch.Generator,
        table: TableMaker = whole_table,
    ) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.width = len(self.sizes) * dimension
        deviation = scale / math.sqrt(dimension)
        self.tables = nn.ModuleList(table(size, dimension, deviation, generator) for size in self.sizes)

    def forward(self, codes_BP: Tensor, like: Tensor) -> Tensor:
        """codes [B, P] -> p_u [B, P * D]; `like` gives type and device when P is 0."""
        if not self.sizes:
            return like.new_zeros(codes_BP.shape[0], 0)
        return torch.cat([_rows(table, codes_BP[:, feature]) for feature, table in enumerate(self.tables)], dim=-1)

    def check_codes(self, codes_BP: Tensor) -> None:
        """Raise ValueError for a code outside its table. Costs a pass: for boundaries, not for every step."""
        _check_range(codes_BP, self.sizes, "profile")
