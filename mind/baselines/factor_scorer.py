"""Scores from the factors of `mind.baselines.als`: the inner product of a user's and an item's. Numpy only.

Shapes: M items with a factor, U users with a factor, V items of the catalogue (positions; position = item index - 2),
D dimension, B rows, L history length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mind.baselines import FIRST_ITEM
from mind.tables import names as n

USER_POSITION = "user_position"
"""Name in a batch, optional: the row in `user_factors_UD` of each row's user, -1 for a user without one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Factors:
    """What ALS learned, and the two settings by which a new user is placed among the trained ones."""

    item_positions_M: NDArray[np.int64]
    """Catalogue positions, ascending."""
    item_factors_MD: NDArray[np.float32]
    user_ids: list[Any]
    user_factors_UD: NDArray[np.float32]
    regularisation: float
    confidence: float


class FactorScorer:
    """WALS as the evaluator sees it.

    A row's user has the trained factor where the batch names one (`user_position`); all others are folded in: solved
    for from the history, with the items as they are. Fold-in knows the history alone, the latest L behaviours, and
    among them those made after the training.

    Raises ValueError for items outside the catalogue.
    """

    def __init__(self, factors: Factors, catalogue_size: int) -> None:
        positions = factors.item_positions_M
        if positions.min() < 0 or positions.max() >= catalogue_size:
            raise ValueError(
                f"the factors are of positions {positions.min()} to {positions.max()}, the catalogue has "
                f"{catalogue_size} items; fit and evaluate with the same catalogue"
            )
        self._factors, self._size = factors, catalogue_size
        dimension = factors.item_factors_MD.shape[1]
        # One row more, of zeros: padding, and what is not in the catalogue.
        self._items_WD = np.zeros((catalogue_size + 1, dimension))
        self._items_WD[positions] = factors.item_factors_MD
        self._trained_W = np.zeros(catalogue_size + 1, dtype=bool)
        self._trained_W[positions] = True
        self._all_DD = self._items_WD.T @ self._items_WD

    def scores(self, batch: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """x_u . y_i, [B, V]; 0 for an item that was not in the training."""
        users_BD = self.folded(batch[n.HISTORY])
        if USER_POSITION in batch:
            place_B = np.asarray(batch[USER_POSITION])
            known_B = place_B >= 0
            users_BD[known_B] = self._factors.user_factors_UD[place_B[known_B]]
        scores_BV: NDArray[np.float64] = users_BD @ self._items_WD[:-1].T
        return scores_BV

    def folded(self, history_BL: NDArray[Any]) -> NDArray[np.float64]:
        """The factors [B, D] that ALS would give users with these histories, its items unchanged.

        (Y'Y + c sum r y y' + regularisation n I) x = sum (1 + c r) y, over the distinct items of a history, with r the
        times each is in it, n their number and c the confidence. Zero where no item of a history has a factor.
        """
        # In order, so that equal items stand side by side; what has no factor goes to the last row, which is zero.
        place_BL = np.asarray(history_BL).astype(np.int64) - FIRST_ITEM
        place_BL[(place_BL < 0) | (place_BL >= self._size)] = self._size
        place_BL.sort(axis=1)
        known_BL = self._trained_W[place_BL]
        first_BL = known_BL.copy()
        first_BL[:, 1:] &= place_BL[:, 1:] != place_BL[:, :-1]
        confidence, dimension = self._factors.confidence, self._all_DD.shape[0]
        items_BLD = self._items_WD[place_BL]
        left_BDD = self._all_DD + confidence * (items_BLD.transpose(0, 2, 1) @ items_BLD)
        count_B = first_BL.sum(axis=1)
        # A row without a known item would have a singular matrix where items are few; its right side is 0 anyway.
        left_BDD += (self._factors.regularisation * np.maximum(count_B, 1))[:, None, None] * np.eye(dimension)
        right_BD = np.einsum("bl,bld->bd", first_BL + confidence * known_BL, items_BLD)
        folded_BD: NDArray[np.float64] = np.linalg.solve(left_BDD, right_BD[:, :, None])[:, :, 0]
        return folded_BD
