"""People who asked to be forgotten: their rows found, left out, and kept from coming back."""

from __future__ import annotations

import hashlib
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from mind.source import Source
from mind.tables import names as n

FORGOTTEN = "forgotten"
"""Reason of rows that are written nowhere, not even into the quarantine."""


def refused_events(quarantine: DataFrame, raw: DataFrame, source: Source, user_id: str) -> list[str]:
    """The event ids of the refused rows of a user.

    The quarantine keeps a row as it came, so its user is read as ingest read it; `raw` is the log, for its columns and
    their types.
    """
    columns = raw.drop(n.SOURCE_FILE, n.LOG_DAY).schema
    rows = quarantine.select(n.EVENT_ID, F.from_json(n.RAW, columns).alias("row")).select(n.EVENT_ID, "row.*")
    found = rows.where(F.expr(source.columns.user_id).cast("string") == F.lit(user_id))
    return [row[n.EVENT_ID] for row in found.select(n.EVENT_ID).distinct().collect()]


def marked(events: DataFrame, forgotten: DataFrame) -> DataFrame:
    """The events, those of people in `forgotten` with that as their reason."""
    gone = F.broadcast(forgotten.select(n.USER_HASH, F.lit(FORGOTTEN).alias("gone")))
    found = events.join(gone, F.sha2(n.USER_ID, 256) == F.col(n.USER_HASH), "left")
    return found.withColumns(
        {
            n.REASON: F.coalesce("gone", n.REASON),
            n.BAD: F.col(n.BAD) & F.col("gone").isNull(),
        }
    ).drop("gone", n.USER_HASH)


def without(rows: DataFrame, forgotten: DataFrame) -> DataFrame:
    """The rows without those of people who were forgotten since."""
    gone = F.broadcast(forgotten.select(n.USER_HASH))
    return rows.join(gone, F.sha2(n.USER_ID, 256) == F.col(n.USER_HASH), "left_anti")


def of_user(rows: DataFrame, user_id: str) -> DataFrame:
    """The rows of one user."""
    return rows.where(F.col(n.USER_ID) == F.lit(user_id))


def hashed(user_id: str) -> str:
    """The name under which a person who was forgotten is remembered."""
    return hashlib.sha256(user_id.encode()).hexdigest()


def request(held: DataFrame, user_id: str) -> DataFrame:
    """The row of `forgotten` to add; none where the person is in it."""
    row = held.sparkSession.range(1).select(
        F.lit(hashed(user_id)).alias(n.USER_HASH), F.current_timestamp().alias(n.FORGOTTEN_AT)
    )
    return row.join(held, n.USER_HASH, "left_anti")


def nights_of(lists: DataFrame, user_id: str) -> list[date]:
    """The nights that hold a list of the user."""
    rows = lists.where(F.col(n.USER_ID) == user_id).select(n.DS).distinct().collect()
    return sorted(row[n.DS] for row in rows)
