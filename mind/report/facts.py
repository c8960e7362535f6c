"""The facts of a night, gathered once for the terminal and for the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from mind.publishing.publication import last_publication
from mind.tables import names as n


@dataclass(frozen=True, kw_only=True)
class Interest:
    """One interest in words."""

    because_of: list[tuple[str, float]]
    """Names of the behaviours that weigh most, with their routing weight."""
    candidates: list[tuple[int, str, float]]
    """Rank, name and score of the first candidates that this interest gave."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """One user in words."""

    user_id: str
    behaviours: int
    recent: list[str]
    interests: list[Interest]


@dataclass(frozen=True, kw_only=True)
class NightFacts:
    """Everything that the summary and the page say."""

    ds: str
    rows: dict[str, int]
    quarantined: dict[str, int]
    targets: dict[str, Any]
    metrics: dict[str, float]
    """Test metrics of the champion on this night; empty where it was not evaluated on it."""
    curves: dict[str, list[float]]
    """Metrics by epoch of the champion's training."""
    model_version: str
    gates: list[dict[str, Any]]
    users_by_interests: dict[int, int]
    people: list[Person]
    places: dict[str, str]


def count_rows(frames: Mapping[str, DataFrame]) -> dict[str, int]:
    """Rows of each frame, in the order given."""
    return {name: frame.count() for name, frame in frames.items()}


def refused_by_reason(quarantine: DataFrame) -> dict[str, int]:
    """Refused rows by reason, most frequent first."""
    rows = quarantine.groupBy(n.REASON).count().orderBy(F.desc("count"), n.REASON).collect()
    return {row[n.REASON]: row["count"] for row in rows}


def users_by_interests(interests: DataFrame) -> dict[int, int]:
    """Users by K'."""
    rows = interests.groupBy(n.INTEREST_COUNT).count().orderBy(n.INTEREST_COUNT).collect()
    return {row[n.INTEREST_COUNT]: row["count"] for row in rows}


def verdicts(publications: DataFrame, ds: str) -> list[dict[str, Any]]:
    """The gates of the night's last publication."""
    last = last_publication(publications.where(F.col(n.DS) == F.lit(ds).cast("date"))).first()
    return [] if last is None else list(json.loads(last[n.GATES]))
