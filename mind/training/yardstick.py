"""The test rows of a night and what they are measured against: the same wherever the rows are scored.

Shapes: R rows that count, V items of the catalogue, D dimension.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mind.config import EvaluationSection
from mind.evaluation import Measured, measure
from mind.evaluation.evaluator import Scorer
from mind.model import load
from mind.tables import names as n
from mind.tables.manifest import Manifest
from mind.training.loader import Columns, columns_of, read_split
from mind.training.scoring import (
    ModelScorer,
    PopularityScorer,
    check_fits,
    evaluation_batches,
    history_lengths,
    measured_rows,
    target_positions,
)

log = logging.getLogger("mind")


class Candidate(NamedTuple):
    """What is measured: a scorer, and the vectors by which its lists are diverse; None where they have none."""

    scorer: Scorer
    item_vectors_VD: NDArray[np.float32] | None


@dataclass(frozen=True, kw_only=True)
class Yardstick:
    """What rows are measured against: the catalogue of a night, and the rules of [evaluation]."""

    manifest: Manifest
    counts_V: NDArray[np.int64]
    """Behaviours in the training days by catalogue position: the popularity baseline."""
    tie_order_V: NDArray[np.int64]
    """Place of each catalogue position in the order of item ids; ties in score go by it."""
    section: EvaluationSection

    def candidate(self, folder: Path | None, history_length: int) -> Candidate:
        """The model in the folder; None: popularity.

        Raises:
            BrokenPromise: the model takes behaviours' ages and the tuples have none.
        """
        if folder is None:
            return Candidate(PopularityScorer(self.counts_V), None)
        model, _ = load(folder)
        check_fits(model, self.manifest)
        scorer = ModelScorer(model, len(self.counts_V))
        vectors_VD = scorer.known_vectors_VD
        # Lists that reach into what the model does not know have no diversity: those items have no vector.
        reach = self.section.main_cutoff + history_length * self.section.filter_seen
        return Candidate(scorer, vectors_VD if len(vectors_VD) >= reach else None)

    def measure(self, candidate: Candidate, rows: Columns) -> Measured:
        """Ranks and lists of rows that count (`measured_rows`), scored in blocks of `batch_size` from the first on.

        The last bits of a score depend on the block that its row is in, so only equal blocks give equal numbers.
        """
        return measure(
            candidate.scorer,
            evaluation_batches(rows, self.section.batch_size, self.section.filter_seen),
            catalogue_size=len(self.counts_V),
            list_length=self.section.main_cutoff,
            item_vectors_VD=candidate.item_vectors_VD,
            tie_order_V=self.tie_order_V,
            expected_rows=len(rows[n.TARGET]),
            block_rows=self.section.batch_size,
        )

    def tell_left_out(self, rows: int, counted: int) -> None:
        if self.section.filter_seen:
            log.info("%s test rows left out: their target is in the history", f"{rows - counted:,}")


class Rows(Protocol):
    """The test rows that count, in the order of the manifest's files."""

    yardstick: Yardstick
    user_R: NDArray[Any]
    """Who a row is of; in the order of user ids."""
    target_R: NDArray[Any]
    """Catalogue positions."""
    length_R: NDArray[Any]
    """Behaviours in the history."""

    def measure(self, folder: Path | None) -> Measured:
        """The model in the folder on these rows; None: popularity."""


class HeldRows:
    """All rows in this process's memory.

    Raises:
        BrokenPromise: rows are missing, or there are none.
    """

    def __init__(self, manifest: Manifest, yardstick: Yardstick) -> None:
        held = read_split(manifest, "test", (*columns_of(manifest), n.USER_ID))
        self.yardstick = yardstick
        self._rows = measured_rows(held, yardstick.section.filter_seen)
        yardstick.tell_left_out(len(held[n.TARGET]), len(self._rows[n.TARGET]))
        self.user_R: NDArray[Any] = self._rows[n.USER_ID]
        self.target_R: NDArray[Any] = target_positions(self._rows)
        self.length_R: NDArray[Any] = history_lengths(self._rows)

    def measure(self, folder: Path | None) -> Measured:
        candidate = self.yardstick.candidate(folder, self._rows[n.HISTORY].shape[1])
        return self.yardstick.measure(candidate, self._rows)
