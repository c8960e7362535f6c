"""A model as the evaluator sees it: scores of a batch over the catalogue of a night.

Shapes: B rows, L history length, P profile features, V items of the catalogue (positions, not indexes).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from mind.evaluation import excluded_positions, target_seen
from mind.evaluation.evaluator import EXCLUDED, TARGET
from mind.features.fit import known_history, known_profile
from mind.model import AGE_BUCKETS, MIND, best_scores
from mind.tables import names as n
from mind.tables.manifest import Manifest
from mind.training.loader import Columns

FIRST_ITEM = 2
NEVER = np.float32(-1e30)
"""Score of an item that the model does not know: behind every other, and finite."""


def ages_for(model: MIND, columns: Mapping[str, NDArray[np.generic]]) -> torch.Tensor | None:
    """Behaviours' ages for a model that takes them; None for another, whose rows may lack them."""
    if not model.architecture.behaviour_time:
        return None
    return torch.from_numpy(np.ascontiguousarray(columns[n.HISTORY_AGES]))


def check_fits(model: MIND, manifest: Manifest) -> None:
    """Raises BrokenPromise where the model takes behaviours' ages and the tuples have none, or others."""
    if model.architecture.behaviour_time:
        manifest.check_ages(AGE_BUCKETS)


class ModelScorer:
    """Scores of a MIND model; the catalogue's position of item index i is i - 2."""

    def __init__(self, model: MIND, catalogue_size: int) -> None:
        self._model = model
        self._sizes = model.architecture.profile_sizes
        self._items = model.architecture.feature_sizes[0]
        self._catalogue_size = catalogue_size
        with torch.no_grad():
            self._vectors = model.item_vectors(torch.arange(FIRST_ITEM, self._items))

    @property
    def known_vectors_VD(self) -> NDArray[np.float32]:
        """Vectors of the catalogue's items that the model knows: those at its first positions."""
        vectors_VD: NDArray[np.float32] = self._vectors[: self._catalogue_size].numpy()
        return vectors_VD

    @torch.no_grad()
    def scores(self, batch: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        """max over active interests of v_k . e_i, [B, V]."""
        history_BL = known_history(batch[n.HISTORY], self._items)  # type: ignore[arg-type]
        profile_BP = known_profile(batch[n.PROFILE], self._sizes)  # type: ignore[arg-type]
        age_BL = ages_for(self._model, batch)
        interests = self._model.interests(torch.from_numpy(history_BL), torch.from_numpy(profile_BP), age_BL=age_BL)
        known = best_scores(interests, self._vectors).numpy()[:, : self._catalogue_size]
        scores = np.full((len(known), self._catalogue_size), NEVER, dtype=np.float32)
        scores[:, : known.shape[1]] = known
        return scores


class PopularityScorer:
    """The same scores for everybody: how often each item was chosen in the training days."""

    def __init__(self, counts_V: NDArray[np.int64]) -> None:
        self._counts = counts_V.astype(np.float64)

    def scores(self, batch: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float64]:
        """Counts, [B, V]."""
        return np.broadcast_to(self._counts, (len(batch[n.HISTORY]), len(self._counts)))


def target_positions(rows: Columns) -> NDArray[np.int32]:
    """The target's place in the catalogue."""
    positions: NDArray[np.int32] = rows[n.TARGET][:, 0] - FIRST_ITEM
    return positions


def history_lengths(rows: Columns) -> NDArray[np.int64]:
    """Behaviours in the history of each row."""
    lengths: NDArray[np.int64] = np.count_nonzero(rows[n.HISTORY], axis=1)
    return lengths


def counted(rows: Columns, filter_seen: bool) -> NDArray[np.bool_]:
    """Which rows count: all, or, where seen items are filtered, those whose target is not in the history itself."""
    if not filter_seen:
        return np.ones(len(rows[n.TARGET]), dtype=np.bool_)
    return ~target_seen(rows[n.HISTORY], target_positions(rows))


def measured_rows(rows: Columns, filter_seen: bool) -> Columns:
    """The rows that count."""
    if not filter_seen:
        return rows
    kept = counted(rows, filter_seen)
    return {name: values[kept] for name, values in rows.items()}


def evaluation_batches(
    rows: Columns, batch_size: int, filter_seen: bool = False
) -> Iterator[dict[str, NDArray[np.generic]]]:
    """Batches as the evaluator wants them: the target's catalogue position, history, its ages where the rows have them,
    and profile, and with filter_seen the positions of the history as exclusions."""
    position = target_positions(rows)
    for start in range(0, len(position), batch_size):
        part = slice(start, start + batch_size)
        names = [name for name in (n.HISTORY, n.PROFILE, n.HISTORY_AGES) if name in rows]
        batch = {TARGET: position[part]} | {name: rows[name][part] for name in names}
        if filter_seen:
            batch[EXCLUDED] = excluded_positions(batch[n.HISTORY], batch[TARGET])
        yield batch
