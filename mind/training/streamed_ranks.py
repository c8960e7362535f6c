"""Ranks of targets over a catalogue that no process holds: its vectors pass by in blocks.

Shapes: B rows of a batch, K interests, D dimension, b items of a block, X places for exclusions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mind.evaluation.evaluator import EXCLUDED, TARGET
from mind.model import FIRST_REAL, MIND, Interests, best_scores
from mind.tables import names as n
from mind.training.divided_tables import DividedTables, LookedUp
from mind.training.scoring import ages_for

ITEMS_AT_ONCE = 1 << 13
"""Items whose vectors are on every rank at the same time."""


class _Asked(NamedTuple):
    interests: Interests
    score_B1: Tensor
    """Of the targets."""
    position_B1: Tensor
    excluded_BX: Tensor | None
    ahead_B: Tensor
    """Items found so far that rank before the target."""


@torch.no_grad()
def streamed_ranks(
    model: MIND,
    tables: DividedTables,
    batches: Sequence[Mapping[str, NDArray[Any]]],
    most: int,
    items: int,
    items_at_once: int = ITEMS_AT_ONCE,
) -> NDArray[np.int64]:
    """What `evaluate` gives for a `ModelScorer`, from this rank's batches; ties go by position.

    The scorer's products are of float32, whose last bit depends on the shape of a block; these are of float64, rounded
    to float32, so that equal vectors are ties in every block. Where two scores differ by that bit, a rank may differ
    from the scorer's.

    Args:
        model: with divided tables.
        tables: of the model.
        batches: as `evaluation_batches` makes them.
        most: batches of the rank that has most of them; all ranks take part in each look-up.
        items: of the catalogue.
        items_at_once: of a block.
    """
    asked = [_asked(model, tables, batches[place] if place < len(batches) else None) for place in range(most)]
    held = [each for each in asked if each is not None]
    for first, vectors_bD in _blocks(model, tables, items, items_at_once):
        for each in held:
            each.ahead_B.add_(_ahead(each, _scores(each.interests, vectors_bD), first))
    return torch.cat([torch.zeros(0, dtype=torch.int64), *(1 + each.ahead_B for each in held)]).numpy()


def _asked(model: MIND, tables: DividedTables, batch: Mapping[str, NDArray[Any]] | None) -> _Asked | None:
    if batch is None:
        tables.bring(LookedUp(torch.zeros(0, dtype=torch.int64)))
        return None
    history_BL, profile_BP = (torch.from_numpy(np.ascontiguousarray(batch[name])) for name in (n.HISTORY, n.PROFILE))
    position_B = torch.from_numpy(batch[TARGET].astype(np.int64))
    target_B = position_B + FIRST_REAL
    tables.bring(LookedUp(torch.cat([history_BL.reshape(-1).long(), target_B]), profile_BP))
    interests = model.interests(history_BL, profile_BP, age_BL=ages_for(model, batch))
    interests = interests._replace(vectors_BKD=interests.vectors_BKD.double())
    score_B1 = _scores(interests, model.item_vectors(target_B)).diagonal().unsqueeze(1)
    excluded_BX = torch.from_numpy(batch[EXCLUDED].astype(np.int64)) if EXCLUDED in batch else None
    return _Asked(interests, score_B1, position_B.unsqueeze(1), excluded_BX, torch.zeros_like(position_B))


def _blocks(model: MIND, tables: DividedTables, items: int, at_once: int) -> Iterator[tuple[int, Tensor]]:
    """First position and vectors of the catalogue's blocks."""
    for first in range(0, items, at_once):
        item_b = torch.arange(first, min(first + at_once, items)) + FIRST_REAL
        tables.bring(LookedUp(item_b))
        yield first, model.item_vectors(item_b)


def _scores(interests: Interests, vectors_bD: Tensor) -> Tensor:
    return best_scores(interests, vectors_bD.double()).float()


def _ahead(asked: _Asked, score_Bb: Tensor, first: int) -> Tensor:
    """How many items of a block rank before each target."""
    position_b = torch.arange(first, first + score_Bb.shape[1])
    ahead_Bb = (score_Bb == asked.score_B1) & (position_b < asked.position_B1)
    ahead_Bb |= score_Bb > asked.score_B1
    # The last bit of a product in float64 too depends on its shape, and may decide how it is rounded.
    ahead_Bb &= position_b != asked.position_B1
    if asked.excluded_BX is not None:
        column_BX = asked.excluded_BX - first
        row, place = ((column_BX >= 0) & (column_BX < score_Bb.shape[1])).nonzero(as_tuple=True)
        ahead_Bb[row, column_BX[row, place]] = False
    return ahead_Bb.sum(dim=1)
