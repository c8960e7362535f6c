"""A night's lists without a model: item-based collaborative filtering, on Spark alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from mind.baselines.item_cf import NEIGHBOUR_INDEX, SCORE, SIMILARITY, item_neighbours, neighbour_scores
from mind.recommending import ItemCfSection
from mind.serving.searching import EXCLUDED, EXHAUSTED
from mind.tables import BY_NEIGHBOURS, BY_POPULARITY, ITEM_CF
from mind.tables import names as n

_BEST = "best"
_FILLED = "filled"
_POPULAR = "popular"
_MINUS = "minus"


@dataclass(frozen=True, kw_only=True)
class ItemCF:
    """What stands in a row where a model's version and checksum would."""

    section: ItemCfSection
    version: str = ITEM_CF

    @property
    def checksum(self) -> str:
        """SHA-256 of the settings: nights of other settings differ in it."""
        return hashlib.sha256(self.section.model_dump_json().encode()).hexdigest()


def with_histories(standing: DataFrame, known: DataFrame) -> DataFrame:
    """(user_id) of those who have a behaviour on an item with an index: item-CF owes them a list."""
    return standing.join(known.select(n.ITEM_ID), n.ITEM_ID, "left_semi").select(n.USER_ID).distinct()


def _similar(standing: DataFrame, known: DataFrame, items: DataFrame, section: ItemCfSection) -> DataFrame:
    """(item_index, item_id, similarity): the neighbours of each known item that a list may hold, by their ids."""
    chosen = standing.join(known.select(n.ITEM_ID, n.ITEM_INDEX), n.ITEM_ID)
    similar = item_neighbours(
        chosen.select(n.USER_ID, n.ITEM_INDEX, n.EVENT_TIME),
        neighbours=section.neighbours,
        damping=section.damping,
        most_recent=section.most_recent,
    )
    named = items.select(n.ITEM_ID, F.col(n.ITEM_INDEX).alias(NEIGHBOUR_INDEX))
    return similar.join(named, NEIGHBOUR_INDEX).select(n.ITEM_INDEX, n.ITEM_ID, SIMILARITY)


def neighbour_lists(
    histories: DataFrame,
    standing: DataFrame,
    known: DataFrame,
    items: DataFrame,
    excluded: DataFrame,
    popular: DataFrame,
    section: ItemCfSection,
    wanted: int,
) -> DataFrame:
    """A list for each of `histories`, as `mind.serving.searching.retrieve` gives them: the `wanted` items with the
    highest scores, as float32, ties by item id; then, with score 0, the most popular of those that no neighbour gave.

    Args:
        histories: (user_id, history, history_length), one row a user.
        standing: the behaviours that neighbours are counted from.
        known: (item_id, item_index) of every item with an index.
        items: those of them that a list may hold.
        excluded: (user_id, excluded), at most one row a user: items that are not for this user.
        popular: (item_id, behaviours) of the same items.
    """
    similar = _similar(standing, known, items, section)
    scores = neighbour_scores(histories, similar, recency_decay=section.recency_decay)
    theirs = excluded.select(n.USER_ID, F.explode(EXCLUDED).alias(n.ITEM_ID))
    scores = scores.join(theirs, [n.USER_ID, n.ITEM_ID], "left_anti")
    best = scores.groupBy(n.USER_ID).agg(F.slice(_ranked(SCORE, "float"), 1, wanted).alias(_BEST))
    users = histories.select(n.USER_ID).join(best, n.USER_ID, "left").join(excluded, n.USER_ID, "left")
    users = users.crossJoin(F.broadcast(_most_popular(popular, wanted, excluded)))
    ids, out = _or_none(F.col(_BEST)[n.ITEM_ID], "string"), _or_none(F.col(EXCLUDED), "string")
    # What is listed or excluded costs at most one place each, so no more of the popular items need be looked at.
    others = F.array_except(F.slice(_POPULAR, F.lit(1), wanted + F.size(out)), F.concat(ids, out))
    users = users.withColumn(_FILLED, F.slice(others, F.lit(1), wanted - F.size(ids)))
    reached, filled = F.size(ids), F.size(_FILLED)
    scored = _or_none(F.transform(F.col(_BEST)[_MINUS], lambda minus: -minus), "float")
    origins = F.array_repeat(F.lit(BY_NEIGHBOURS), reached), F.array_repeat(F.lit(BY_POPULARITY), filled)
    return users.select(
        n.USER_ID,
        F.concat(ids, _FILLED).alias(n.ITEM_IDS),
        F.concat(scored, F.array_repeat(F.lit(0.0).cast("float"), filled)).alias(n.SCORES),
        F.concat(*origins).alias(n.INTEREST_OF_ORIGIN),
        F.lit(ITEM_CF).alias(n.ORIGIN),
        F.when(reached + filled < wanted, F.lit(EXHAUSTED)).alias(n.SHORTFALL),
    )


def _ranked(value: str, kind: str) -> Column:
    """An array of (minus the value, item_id) by falling value, then item id."""
    return F.array_sort(F.collect_list(F.struct((-F.col(value).cast(kind)).alias(_MINUS), n.ITEM_ID)))


def _most_popular(popular: DataFrame, wanted: int, excluded: DataFrame) -> DataFrame:
    """One row with as many ids, the most popular first, as anybody may need."""
    most = excluded.agg(F.max(F.size(EXCLUDED))).first()
    assert most is not None
    first = popular.orderBy(F.desc(n.BEHAVIOURS), n.ITEM_ID).limit(wanted + (most[0] or 0))
    return first.agg(_ranked(n.BEHAVIOURS, "long")[n.ITEM_ID].alias(_POPULAR))


def _or_none(array: Column, kind: str) -> Column:
    return F.coalesce(array, F.array().cast(f"array<{kind}>"))
