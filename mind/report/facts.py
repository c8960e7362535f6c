"""The facts of a night, gathered once for the terminal and for the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from mind.publishing.publication import last_publication
from mind.report.item_map import ItemMap
from mind.report.sample import sampled
from mind.tables import ITEM_CF
from mind.tables import names as n

SAMPLE = 5000
"""Users whose lists are looked at for `interest_shares`, about."""


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
    routing: list[tuple[str, list[float]]] = field(default_factory=list)
    """Name of each distinct behaviour, the most recent first, with its routing weight in each interest (equation 5)."""


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
    """The champion's number; `item_cf` where lists came from item neighbours and no model served."""
    publication: dict[str, str]
    """Action, moment, table and model version of the night's last publication; empty where there is none."""
    gates: list[dict[str, Any]]
    users_by_interests: dict[int, int]
    history_lengths: dict[int, int]
    """Users by the greatest power of two that their history is long."""
    people: list[Person]
    places: dict[str, str]
    main_cutoff: int
    comparison: dict[str, Any] | None = None
    """What `compare` kept of this night; None where it decided nothing."""
    item_map: ItemMap | None = None
    interest_shares: dict[int, list[float]] = field(default_factory=dict)
    """By K' above 1: the share that each interest has of the first `main_cutoff` places of the lists."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By step, in the order of the night."""
    ingested: dict[str, int] = field(default_factory=dict)
    """Rows that the night's ingest read, kept and refused; empty where no log says so."""

    @property
    def published(self) -> bool:
        """Whether readers see this night."""
        return bool(self.publication)

    @property
    def by_model(self) -> bool:
        """Whether a model made the lists."""
        return self.model_version != ITEM_CF

    @property
    def served_by(self) -> str:
        """What made the lists, in words that begin a sentence."""
        return f"Model version {self.model_version}" if self.by_model else "Item neighbours (item-CF), no model"


def count_rows(frames: Mapping[str, DataFrame]) -> dict[str, int]:
    """Rows of each frame, in the order given."""
    return {name: frame.count() for name, frame in frames.items()}


def refused_by_reason(quarantine: DataFrame) -> dict[str, int]:
    """Refused rows by reason, most frequent first."""
    rows = quarantine.groupBy(n.REASON).count().orderBy(F.desc("count"), n.REASON).collect()
    return {row[n.REASON]: row["count"] for row in rows}


def interest_facts(interests: DataFrame, candidates: DataFrame, users: int, places: int) -> dict[str, Any]:
    """The fields of `NightFacts` on the interests of so many `users` and on the first `places` places of the lists."""
    by_interests, by_length = interests_and_lengths(interests)
    shares = shares_of_interests(interests, candidates, users, places)
    return {"users_by_interests": by_interests, "history_lengths": by_length, "interest_shares": shares}


def interests_and_lengths(interests: DataFrame) -> tuple[dict[int, int], dict[int, int]]:
    """Users by K', and by the greatest power of two that their history is long; in one pass."""
    length = F.pow(F.lit(2), F.floor(F.log2(F.greatest(F.col(n.HISTORY_LENGTH), F.lit(1))))).cast("int").alias("length")
    by_interests: dict[int, int] = {}
    by_length: dict[int, int] = {}
    for row in interests.groupBy(n.INTEREST_COUNT, length).count().collect():
        by_interests[row[n.INTEREST_COUNT]] = by_interests.get(row[n.INTEREST_COUNT], 0) + row["count"]
        by_length[row["length"]] = by_length.get(row["length"], 0) + row["count"]
    return dict(sorted(by_interests.items())), dict(sorted(by_length.items()))


def shares_of_interests(interests: DataFrame, candidates: DataFrame, users: int, places: int) -> dict[int, list[float]]:
    """By K' above 1: the share of each interest in the first `places` places of the lists, of a sample of the `users`
    that is the same on every run."""
    chosen = sampled(n.USER_ID, SAMPLE, users)
    several = interests.where(chosen & (F.col(n.INTEREST_COUNT) > 1)).select(n.USER_ID, n.INTEREST_COUNT)
    lists = candidates.where(chosen).select(n.USER_ID, F.slice(n.INTEREST_OF_ORIGIN, 1, places).alias("origins"))
    rows = several.join(lists, n.USER_ID).select(n.INTEREST_COUNT, F.explode("origins").alias("origin"))
    # Lists and interests of a night may be of different runs, where the later one was not published.
    own = (F.col("origin") >= 0) & (F.col("origin") < F.col(n.INTEREST_COUNT))
    counts: dict[int, list[int]] = {}
    for row in rows.where(own).groupBy(n.INTEREST_COUNT, "origin").count().collect():
        counts.setdefault(row[n.INTEREST_COUNT], [0] * row[n.INTEREST_COUNT])[row["origin"]] = row["count"]
    return {number: [count / sum(held) for count in held] for number, held in sorted(counts.items())}


def published(publications: DataFrame, ds: str) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The night's last publication (action, moment, table and model version) and its gates; both empty where there is
    none."""
    last = last_publication(publications.where(F.col(n.DS) == F.lit(ds).cast("date"))).first()
    if last is None:
        return {}, []
    told = {name: str(last[name]) for name in (n.ACTION, n.PUBLISHED_AT, n.TABLE_VERSION, n.MODEL_VERSION)}
    return told, list(json.loads(last[n.GATES]))
