"""Back to what readers of a night saw before: which publication that is, and what may not come back with it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from mind.errors import BrokenPromise, MindError
from mind.publishing.publication import FORGET, ROLLBACK, in_order, is_published
from mind.tables import names as n

log = logging.getLogger("mind")

NONE = "none"
"""The goal of a rollback that withdraws a night."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What readers are to see again; without a publication they see nothing of the night."""

    publication: Row | None

    @property
    def name(self) -> str:
        return NONE if self.publication is None else str(self.publication[n.PUBLICATION_ID])

    @property
    def version(self) -> int | None:
        """The version of candidates that held it."""
        return None if self.publication is None else int(self.publication[n.TABLE_VERSION])

    @property
    def model_version(self) -> str:
        return NONE if self.publication is None else str(self.publication[n.MODEL_VERSION])

    @property
    def gates(self) -> str:
        return "[]" if self.publication is None else str(self.publication[n.GATES])

    def was(self, content: str) -> bool:
        """Whether its rows had this fingerprint."""
        return content.startswith("0-") if self.publication is None else bool(self.publication[n.CONTENT] == content)

    def check(self, content: str) -> None:
        """Raises BrokenPromise unless the rows found are those that were published."""
        if not self.was(content):
            raise BrokenPromise(
                f"publication {self.name} says one thing, version {self.version} of the table holds {content}: it was "
                "written by something else. "
                "Nothing moved. Choose another publication, or run the night again."
            )

    def tell(self, candidates: DataFrame, ds: date) -> None:
        """Say what readers see now that this was reached.

        Args:
            candidates: the whole table.
        """
        if self.publication is not None:
            lists = candidates.where(F.col(n.DS) == F.lit(ds)).count()
            log.info("readers of %s see %s now: %s lists", ds, self.name, f"{lists:,}")
            return
        newest = candidates.agg(F.max(n.DS).alias(n.DS)).first()
        left = "no other night" if newest is None or newest[n.DS] is None else f"{newest[n.DS]} as the newest night"
        log.info("readers see nothing of %s now; they see %s", ds, left)

    def is_recorded(self, publications: DataFrame, ds: date, seen: str, content: str) -> bool:
        """Whether readers see this and the record says so: a rollback that is run again then has nothing to do."""
        same = seen == content and is_published(publications, ds, content)
        if same:
            log.info("readers of %s see %s already", ds, self.name)
        return same


def goal_of(publications: DataFrame, ds: date, to: str | None, seen: str) -> Goal:
    """The publication to go back to.

    Args:
        publications: the whole record.
        to: a publication_id of this night, `none` to withdraw the night, or None for what readers saw before.
        seen: fingerprint of the night's rows that readers see now.

    Raises:
        MindError: the night has no such publication, or was rolled back already and `to` does not say how far.
    """
    history = in_order(publications.where(F.col(n.DS) == F.lit(ds)))
    told = "; ".join(f"{row[n.PUBLICATION_ID]} ({row[n.ACTION]})" for row in history)
    if not history:
        raise MindError(f"night {ds} was never published; `mind nights` lists those that were")
    if to == NONE:
        return Goal(publication=None)
    if to is not None:
        for row in history:
            if row[n.PUBLICATION_ID] == to:
                return Goal(publication=row)
        raise MindError(f"night {ds} has no publication {to!r}; it has {told}")
    # A person was forgotten from a publication: that made no new one to go back from.
    made = [row for row in history if row[n.ACTION] != FORGET]
    before = Goal(publication=made[-2] if len(made) > 1 else None)
    if seen != history[-1][n.CONTENT] and not before.was(seen):
        # A publish committed its lists and was stopped before it was recorded.
        return Goal(publication=history[-1])
    if made[-1][n.ACTION] == ROLLBACK:
        raise MindError(f"night {ds} was rolled back already; say how far with --to: none, or one of {told}")
    return before
