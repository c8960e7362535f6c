"""One evaluator for every model: whatever gives scores over the catalogue is measured in the same way.

Shapes: B rows of a batch, V items of the catalogue, X places for exclusions, R rows in all, D dimension.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mind.evaluation.ranking import NO_ITEM, target_ranks, top_lists
from mind.evaluation.recommended_lists import list_diversity

TARGET = "target_position"
EXCLUDED = "excluded_positions"
NO_ROWS = "there are no rows to evaluate; check the split and the filters before it"

Batch = Mapping[str, NDArray[Any]]


class Scorer(Protocol):
    """A model, or a baseline, as the evaluator sees it."""

    def scores(self, batch: Batch) -> NDArray[np.floating[Any]]:
        """Finite scores [B, V] over the positions of the catalogue; higher is better.

        The batch holds what is known before the target event; the target and the exclusions are not in it.
        """


def evaluate(
    scorer: Scorer,
    batches: Iterable[Batch],
    *,
    catalogue_size: int,
    tie_order_V: ArrayLike | None = None,
    expected_rows: int | None = None,
    block_rows: int = 1024,
) -> NDArray[np.int64]:
    """The rank of the target in every row, int64 [R], from 1, in the order in which the rows came.

    So the ranks of two models over the same batches can be compared row by row. Each batch maps names to
    arrays with B rows: `target_position` int [B]; optionally `excluded_positions` int [B, X], padded with
    -1; all others (at least one) go to the scorer, block_rows rows at a time (4 to 8 block_rows V bytes
    of scores). tie_order_V: see `target_ranks`.

    Raises ValueError when a batch has no target or arrays of different lengths, when the scorer's answer
    has another shape than [B, V] or is not finite, when there are no rows, or not expected_rows; and what
    `target_ranks` raises. The error says which rows, counted from the start.
    """
    blocks = _ranked(scorer, batches, catalogue_size, tie_order_V, expected_rows, block_rows)
    return np.concatenate([ranks_B for _, _, ranks_B in blocks])


class Measured(NamedTuple):
    """Ranks of the targets, and what the lists of all rows hold together."""

    ranks_R: NDArray[np.int64]
    """As `evaluate` gives them."""
    exposures_V: NDArray[np.int64]
    """In how many lists each item is."""
    diversity_R: NDArray[np.float64] | None
    """Of each row's list, see `list_diversity`; None where no item vectors were given."""


def measure(
    scorer: Scorer,
    batches: Iterable[Batch],
    *,
    catalogue_size: int,
    list_length: int,
    item_vectors_VD: NDArray[np.floating[Any]] | None = None,
    tie_order_V: ArrayLike | None = None,
    expected_rows: int | None = None,
    block_rows: int = 1024,
) -> Measured:
    """What `evaluate` gives, and the spread of the first `list_length` items of each row, from the same scores.

    No list is kept: memory beyond the scores is V + R numbers. Raises ValueError as `evaluate`, `top_lists` and
    `list_diversity` do.
    """
    ranks, diversity = [], []
    exposures_V = np.zeros(catalogue_size, dtype=np.int64)
    for block, scores_BV, ranks_B in _ranked(scorer, batches, catalogue_size, tie_order_V, expected_rows, block_rows):
        ranks.append(ranks_B)
        lists_BN = top_lists(scores_BV, list_length, tie_order_V, block.get(EXCLUDED))
        exposures_V += np.bincount(lists_BN[lists_BN != NO_ITEM], minlength=catalogue_size)
        if item_vectors_VD is not None:
            diversity.append(list_diversity(lists_BN, item_vectors_VD))
    return Measured(np.concatenate(ranks), exposures_V, np.concatenate(diversity) if diversity else None)


def _ranked(
    scorer: Scorer,
    batches: Iterable[Batch],
    catalogue_size: int,
    tie_order_V: ArrayLike | None,
    expected_rows: int | None,
    block_rows: int,
) -> Iterator[tuple[Batch, NDArray[Any], NDArray[np.int64]]]:
    """Each block with its scores and the ranks of its targets."""
    if block_rows < 1:
        raise ValueError(f"block_rows is {block_rows}; it must be at least 1")
    done = 0
    for batch in batches:
        rows = _rows(batch, done)
        for start in range(0, rows, block_rows):
            block = {name: values[start : start + block_rows] for name, values in batch.items()}
            scores_BV, ranks_B = _block_ranks(scorer, block, catalogue_size, tie_order_V, done)
            yield block, scores_BV, ranks_B
            done += len(ranks_B)
    if not done:
        raise ValueError(NO_ROWS)
    if expected_rows is not None and done != expected_rows:
        raise ValueError(f"{done} rows came, {expected_rows} were expected; check what reads the batches")


def _rows(batch: Batch, done: int) -> int:
    if TARGET not in batch:
        raise ValueError(f"the batch after row {done} has {sorted(batch)}; it needs {TARGET!r}")
    if not set(batch) - {TARGET, EXCLUDED}:
        raise ValueError(f"the batch after row {done} has nothing for the scorer; add what is known before the event")
    lengths = {name: len(values) for name, values in batch.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the batch after row {done} has arrays of different lengths: {lengths}")
    return lengths[TARGET]


def _block_ranks(
    scorer: Scorer, block: Batch, catalogue_size: int, tie_order_V: ArrayLike | None, first_row: int
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    targets_B = block[TARGET]
    where = f"rows {first_row} to {first_row + len(targets_B) - 1}"
    # The scorer must not see what it is asked for.
    known = {name: values for name, values in block.items() if name not in (TARGET, EXCLUDED)}
    scores_BV = np.asarray(scorer.scores(known))
    if scores_BV.shape != (len(targets_B), catalogue_size) or scores_BV.dtype.kind not in "fiu":
        raise ValueError(
            f"{where}: {type(scorer).__name__} gave scores of shape {scores_BV.shape}, "
            f"type {scores_BV.dtype}; it must give numbers [{len(targets_B)}, {catalogue_size}]"
        )
    if not np.isfinite(scores_BV).all():
        row = first_row + int((~np.isfinite(scores_BV)).any(axis=1).argmax())
        raise ValueError(f"{where}: {type(scorer).__name__} gave scores that are not finite, first in row {row}")
    try:
        return scores_BV, target_ranks(scores_BV, targets_B, tie_order_V, block.get(EXCLUDED))
    except ValueError as fault:
        raise ValueError(f"{where}, counted from the first of them: {fault}") from fault
