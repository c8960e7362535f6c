"""What a raw log holds, counted before anybody trains on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from mind.behaviours.whole import read_whole
from mind.errors import BadInput
from mind.source import Source
from mind.tables import names as n

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
REMOVED_USERS_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class LogProfile:
    """A log as its source description reads it. Everything but `rows` and `refused` is of accepted behaviours."""

    rows: int
    refused: dict[str, int]
    users: int
    items: int
    first: datetime
    last: datetime
    ties: int
    """Behaviours at the same moment as an earlier one of the same user: neither is in the other's history."""
    event_types: dict[str, int]
    missing: dict[str, int]
    """Behaviours that give no value, by item feature and profile feature."""
    history_lengths: dict[float, int]
    """Quantiles of the behaviours of a user."""
    users_by_length: dict[str, int]
    """Users by behaviours, in steps of powers of two."""
    behaviours_by_day: dict[date, int]
    bad: int
    """Refused rows that count against ingest.bad_row_limit."""
    examples: dict[str, str]
    """One refused row of each reason, as JSON."""
    removed_users: list[tuple[str, str, int]]
    """(user, reason, rows) of those whom refuse_users removed, most rows first; at most REMOVED_USERS_SHOWN."""

    @property
    def accepted(self) -> int:
        return self.rows - sum(self.refused.values())


def profile_log(events: DataFrame, source: Source) -> LogProfile:
    """The profile of all rows of a log, as `parse` gives them.

    Raises:
        BadInput: no row is accepted, or the log cannot be read to its end.
    """
    with read_whole(source):
        return _profile(events.persist(), source)


def _profile(events: DataFrame, source: Source) -> LogProfile:
    of_reason = events.groupBy(n.REASON).agg(
        F.count(F.lit(1)).alias("rows"), F.count_if(n.BAD).alias("bad"), F.min(n.RAW).alias("example")
    )
    told = of_reason.collect()
    counted = {row[n.REASON]: row["rows"] for row in told}
    refused = {reason: rows for reason, rows in counted.items() if reason is not None}
    accepted = events.where(F.col(n.REASON).isNull())
    if None not in counted:
        raise BadInput(
            f"source {source.name}: none of {sum(counted.values())} rows is accepted "
            f"({', '.join(f'{rows} {reason}' for reason, rows in sorted(refused.items()))}). "
            f"Mend the log or conf/sources/{source.name}.toml."
        )
    per_user = (
        accepted.groupBy(n.USER_ID, n.EVENT_TIME)
        .agg(F.count(F.lit(1)).alias("at once"))
        .groupBy(n.USER_ID)
        .agg(F.sum("at once").alias("events"), F.sum(F.col("at once") - 1).alias("ties"))
        .persist()
    )
    missing = {name: F.col(n.ITEM_VALUES)[name] for name in source.item_features}
    missing |= {name: F.col(n.USER_VALUES)[name] for name in source.log_features}
    whole = accepted.agg(
        F.min(n.EVENT_TIME).cast("double").alias("first"),
        F.max(n.EVENT_TIME).cast("double").alias("last"),
        *[F.count_if(value.isNull()).alias(f"missing {name}") for name, value in missing.items()],
    ).first()
    of_users = per_user.agg(
        F.count(F.lit(1)).alias("users"),
        F.sum("ties").alias("ties"),
        F.percentile("events", F.lit(list(QUANTILES))).alias("lengths"),
    ).first()
    assert whole is not None
    assert of_users is not None
    power = F.floor(F.log2("events")).cast("int").alias("power")
    by_length = per_user.groupBy(power).count().orderBy("power").collect()
    return LogProfile(
        rows=sum(counted.values()),
        refused=dict(sorted(refused.items(), key=lambda pair: (-pair[1], pair[0]))),
        users=of_users["users"],
        items=accepted.select(n.ITEM_ID).distinct().count(),
        first=_moment(whole["first"]),
        last=_moment(whole["last"]),
        ties=of_users["ties"],
        event_types={row[n.EVENT_TYPE]: row["count"] for row in _counts(accepted, n.EVENT_TYPE)},
        missing={name: whole[f"missing {name}"] for name in missing},
        history_lengths={share: round(length) for share, length in zip(QUANTILES, of_users["lengths"], strict=True)},
        users_by_length={_span(row["power"]): row["count"] for row in by_length},
        behaviours_by_day={row[n.EVENT_DAY]: row["count"] for row in _counts(accepted, n.EVENT_DAY)},
        bad=sum(row["bad"] for row in told),
        examples={row[n.REASON]: row["example"] for row in told if row[n.REASON] is not None},
        removed_users=_removed(events, source),
    )


def _counts(frame: DataFrame, column: str) -> list[Row]:
    return frame.groupBy(column).count().orderBy(column).collect()


def _removed(events: DataFrame, source: Source) -> list[tuple[str, str, int]]:
    reasons = [rule.reason for rule in source.refuse_users]
    if not reasons:
        return []
    rows = events.where(F.col(n.REASON).isin(reasons)).groupBy(n.USER_ID, n.REASON).count()
    most = rows.orderBy(F.desc("count"), n.USER_ID, n.REASON).limit(REMOVED_USERS_SHOWN).collect()
    return [(row[n.USER_ID], row[n.REASON], row["count"]) for row in most]


def _moment(seconds: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def _span(power: int) -> str:
    first, last = 2**power, 2 ** (power + 1) - 1
    return str(first) if first == last else f"{first:,} to {last:,}"
