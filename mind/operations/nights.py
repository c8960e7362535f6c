"""What was published when, by which model, and what readers see now. Read without Spark."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from mind.config import Config
from mind.errors import MindError
from mind.storage.plain_delta import NoTable, read_plainly
from mind.tables import PUBLICATIONS
from mind.tables import names as n


@dataclass(frozen=True, kw_only=True)
class Publication:
    """One row of publications, and whether readers of its night see it now."""

    name: str
    ds: date
    action: str
    lists: int
    model_version: str
    gates: list[dict[str, Any]]
    published_at: datetime
    seen: bool

    @property
    def verdict(self) -> str:
        failed = [str(gate["name"]) for gate in self.gates if not gate["passed"]]
        return f"failed: {', '.join(failed)}" if failed else f"{len(self.gates)} of {len(self.gates)} passed"


class Stale(MindError):
    """Readers see an older night than they should; a monitor tells it by the exit code."""

    exit_code = 5


def publications(root: str) -> list[Publication]:
    """Every publication, the newest last.

    Raises:
        MindError: nothing was ever published.
    """
    try:
        rows = read_plainly(root, PUBLICATIONS).to_pylist()
    except NoTable as error:
        raise MindError(
            f"nothing was published yet in the lake at {root}. Was another lake meant? Name its configuration with "
            "--config."
        ) from error
    rows.sort(key=lambda row: (row[n.TABLE_VERSION], row[n.PUBLISHED_AT]))
    newest = {row[n.DS]: row[n.PUBLICATION_ID] for row in rows}
    return [
        Publication(
            name=row[n.PUBLICATION_ID],
            ds=row[n.DS],
            action=row[n.ACTION],
            lists=int(row[n.CONTENT].split("-")[0]),
            model_version=row[n.MODEL_VERSION],
            gates=json.loads(row[n.GATES]),
            published_at=row[n.PUBLISHED_AT],
            seen=newest[row[n.DS]] == row[n.PUBLICATION_ID] and not row[n.CONTENT].startswith("0-"),
        )
        for row in rows
    ]


def newest_night(held: Sequence[Publication]) -> Publication | None:
    """The latest night that readers see."""
    return max((one for one in held if one.seen), key=lambda one: one.ds, default=None)


def told(held: Sequence[Publication]) -> str:
    """The publications as a table for people; below it what `*` marks, and the nights of which readers see nothing."""
    lines = [("", "night", "what", "when (UTC)", "lists", "model", "gates", "publication")]
    lines += [
        (
            "*" if one.seen else "",
            one.ds.isoformat(),
            one.action,
            f"{one.published_at:%Y-%m-%d %H:%M:%S}",
            f"{one.lists:,}",
            one.model_version,
            one.verdict,
            one.name,
        )
        for one in held
    ]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    rows = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    seen = {one.ds for one in held if one.seen}
    withdrawn = sorted({one.ds for one in held} - seen)
    below = ["* what readers of that night see now"] if seen else ["readers see no night"]
    below += [f"readers see nothing of {', '.join(map(str, withdrawn))}"] if seen and withdrawn else []
    return "\n".join([*rows, "", *below])


def due_night(now: datetime, config: Config) -> date:
    """The night that must be published at a moment: yesterday's from the deadline on, before it the one before."""
    local = now.astimezone(ZoneInfo(config.lake.time_zone))
    late = local.time() >= config.schedule.deadline
    return local.date() - timedelta(days=1 if late else 2)


def check_fresh(held: Sequence[Publication], now: datetime, config: Config) -> str:
    """What readers see and that it is in time, in words.

    Raises:
        Stale: it is not.
    """
    due, newest = due_night(now, config), newest_night(held)
    withdrawn = {one.ds for one in held} - {one.ds for one in held if one.seen}
    since = sorted(ds for ds in withdrawn if newest is None or ds > newest.ds)
    gone = f" ({', '.join(map(str, since))} was rolled back: publish it again, or run its night anew)" if since else ""
    seen = f"readers see the night of {newest.ds}, published {newest.published_at:%Y-%m-%d %H:%M} UTC" if newest else ""
    wanted = f"due is {due} (deadline {config.schedule.deadline} {config.lake.time_zone})"
    if newest is None:
        raise Stale(f"readers see no night{gone}; {wanted}. Look at the last run, then run the night again.")
    if newest.ds < due:
        zone = ZoneInfo(config.lake.time_zone)
        in_time = datetime.combine(newest.ds + timedelta(days=1), config.schedule.deadline, zone)
        raise Stale(
            f"{seen}{gone}; {wanted}. If the log goes on to {due}, look at the last run, then run the night of {due}. "
            f"If it ended earlier, as a historical log did, ask for a moment of its own: --at {in_time.isoformat()}"
        )
    return f"fresh: {seen}; due is {due}"
