"""One night's rows, sorted into behaviours and quarantine, and the proof that none is missing."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, Observation, Row
from pyspark.sql import functions as F

from mind.behaviours.days import between, last_days
from mind.behaviours.parse import AFTER, UNKNOWN_EVENT, parse
from mind.behaviours.persons import FORGOTTEN, marked
from mind.behaviours.whole import read_whole
from mind.config import IngestSection
from mind.errors import BadInput, BrokenPromise
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
    dated_after: int
    """Rows dated after `last`: they wait for their day, or were logged too long before it and are refused."""
    by_day: dict[date, int]
    """Behaviours of each day that has any."""

    def check_held(self, held: DataFrame) -> int:
        """Behaviours of days before `last` that come late: what these days now have more than `held`, the table.

        A day of which nothing is held is new, its behaviours are not late.

        Raises:
            BadInput: the log has nothing of a day of which behaviours are held: this run would delete them.
        """
        days = between(held, self.first, self.last).groupBy(n.EVENT_DAY).count().collect()
        before: dict[date, int] = {row[n.EVENT_DAY]: row["count"] for row in days}
        gone = sorted(day for day in before if day not in self.by_day)
        if gone:
            raise BadInput(
                f"the log has no behaviour of {', '.join(map(str, gone[:5]))}{' ...' * (len(gone) > 5)}, but the table "
                f"holds {sum(before[day] for day in gone)}, which this run would delete. Nothing was written. Give it "
                f"a log that holds {self.first} to {self.last}, or lower ingest.look_back_days."
            )
        late = sum(self.by_day[day] - rows for day, rows in before.items() if day < self.last)
        if late:
            log.info("%s behaviours of earlier days than %s came late", f"{late:+,}", self.last)
        return late

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
    seen = Observation()
    events = parse(raw, source, time_zone, first, last, seen)
    events = (events if forgotten is None else marked(events, forgotten)).persist()
    counted = _counted(events, source)
    rows = sum(row["rows"] for row in counted)
    bad = _by(n.REASON, "bad", [row for row in counted if row["bad"]])
    refused = _by(n.REASON, "rows", [row for row in counted if row[n.REASON] is not None])
    by_day = _by(n.EVENT_DAY, "rows", [row for row in counted if row[n.REASON] is None])
    if rows == 0:
        raise BadInput(
            f"source {source.name}: no row of the log belongs to {first} to {last}; is the day's log there yet, and is "
            "ds right?"
        )
    if sum(bad.values()) > section.bad_row_limit * rows:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(bad.items()))
        remedy = (
            " Event types that are not in positive_events count as bad: name them there (target_shares decides which "
            "are learned from), or leave them out by a [[refuse]] rule with bad = false."
            if UNKNOWN_EVENT in bad
            else ""
        )
        raise BadInput(
            f"source {source.name}: {sum(bad.values())} of {rows} rows are bad ({reasons}), above ingest.bad_row_limit "
            f"{section.bad_row_limit:g}. Nothing was written. Mend the log or conf/sources/{source.name}.toml.{remedy}"
        )
    accepted = rows - sum(refused.values())
    after = int(seen.get[AFTER])
    told = {"rows_read": rows, "rows_kept": accepted, "rows_refused": rows - accepted}
    log.info(
        "%s rows read, %s accepted, %s refused%s; %s dated after %s",
        *[f"{number:,}" for number in told.values()],
        "".join(f", {count:,} {reason}" for reason, count in sorted(refused.items())).replace(",", ":", 1),
        f"{after:,}",
        last,
        extra=told,
    )
    return Ingested(
        behaviours=events.where(F.col(n.REASON).isNull()),
        quarantine=events.where(F.col(n.REASON) != FORGOTTEN).withColumn(n.DS, F.lit(ds)),
        first=first,
        last=last,
        rows=rows,
        accepted=accepted,
        refused=refused,
        dated_after=after,
        by_day=by_day,
    )


def _by(key: str, number: str, rows: list[Row]) -> dict[Any, int]:
    sums: dict[Any, int] = defaultdict(int)
    for row in rows:
        sums[row[key]] += row[number]
    return dict(sums)


def _counted(events: DataFrame, source: Source) -> list[Row]:
    """Rows by reason and day. Here the whole log is read for the first time, before anything is written."""
    counts = [F.count(F.lit(1)).alias("rows"), F.count_if(n.BAD).alias("bad")]
    # A refused row may be of any day, and a log with broken dates has many: only the accepted ones are told apart.
    day = F.when(F.col(n.REASON).isNull(), F.col(n.EVENT_DAY)).alias(n.EVENT_DAY)
    with read_whole(source):
        return events.groupBy(n.REASON, day).agg(*counts).collect()
