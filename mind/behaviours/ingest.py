"""One night's rows, sorted into behaviours and quarantine, and the proof that none is missing."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from mind.behaviours.days import last_days
from mind.behaviours.parse import parse
from mind.behaviours.persons import FORGOTTEN, marked
from mind.config import IngestSection
from mind.errors import BadInput, BrokenPromise, told_by_spark
from mind.source import Source
from mind.tables import names as n

log = logging.getLogger("mind")


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """The rows of the days `first` to `last`."""

    behaviours: DataFrame
    quarantine: DataFrame
    first: date
    last: date
    rows: int
    accepted: int
    refused: dict[str, int]

    def check_sums(self, behaviours: int, quarantine: int) -> None:
        """Raises BrokenPromise unless every row read was written to one of the two tables."""
        if behaviours + quarantine + self.refused.get(FORGOTTEN, 0) != self.rows:
            raise BrokenPromise(
                f"ingest read {self.rows} rows but wrote {behaviours} behaviours and {quarantine} refused rows; "
                "the log changed while it was read. Run the step again when the log is complete."
            )


def ingest(
    raw: DataFrame,
    source: Source,
    section: IngestSection,
    time_zone: str,
    ds: date,
    forgotten: DataFrame | None = None,
) -> Ingested:
    """Parse the days that a run for `ds` writes again: `look_back_days` up to and including `ds`.

    Rows of people in `forgotten` are counted and written nowhere.

    Raises:
        BadInput: a file of the log is corrupt, no row belongs to these days, or the share of bad rows is above the
            limit.
    """
    first, last = last_days(ds, section.look_back_days)
    events = parse(raw, source, time_zone, first, last)
    events = (events if forgotten is None else marked(events, forgotten)).persist()
    counted = _counted(events, source)
    rows = sum(row["rows"] for row in counted)
    bad = {row[n.REASON]: row["bad"] for row in counted if row["bad"]}
    refused = {row[n.REASON]: row["rows"] for row in counted if row[n.REASON] is not None}
    if rows == 0:
        raise BadInput(
            f"source {source.name}: no row of the log belongs to {first} to {last}; is the day's log there yet, and is "
            "ds right?"
        )
    if sum(bad.values()) > section.bad_row_limit * rows:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(bad.items()))
        raise BadInput(
            f"source {source.name}: {sum(bad.values())} of {rows} rows are bad ({reasons}), above ingest.bad_row_limit "
            f"{section.bad_row_limit:g}. Nothing was written. Mend the log or conf/sources/{source.name}.toml."
        )
    accepted = rows - sum(refused.values())
    told = {"rows_read": rows, "rows_kept": accepted, "rows_refused": rows - accepted}
    log.info("%s rows read, %s accepted, %s refused", *[f"{number:,}" for number in told.values()], extra=told)
    return Ingested(
        behaviours=events.where(F.col(n.REASON).isNull()),
        quarantine=events.where(F.col(n.REASON) != FORGOTTEN).withColumn(n.DS, F.lit(ds)),
        first=first,
        last=last,
        rows=rows,
        accepted=accepted,
        refused=refused,
    )


def _counted(events: DataFrame, source: Source) -> list[Row]:
    """Rows and bad rows by reason. Here the whole log is read for the first time, before anything is written."""
    try:
        return events.groupBy(n.REASON).agg(F.count(F.lit(1)).alias("rows"), F.count_if(n.BAD).alias("bad")).collect()
    except (PySparkException, Py4JJavaError) as error:
        reason = told_by_spark(error)
        if reason is None:  # a lost machine, say: not the log's fault
            raise
        raise BadInput(
            f"source {source.name}: the log cannot be read to its end: {reason} Nothing was written. Mend the "
            f"log or conf/sources/{source.name}.toml."
        ) from error
