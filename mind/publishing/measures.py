"""What is measured on a staged night before it is judged. Each action of Spark costs seconds, so there are few."""

from __future__ import annotations

import math
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from mind.tables import BY_NEIGHBOURS, ITEM_CF
from mind.tables import names as n

MOST_SHOWN = 0.01
"""The share of the items whose places are the concentration."""
COMPARED_USERS = 100_000
"""About so many users, chosen by a hash of their ids, are compared with the night before."""
_MADE_BY = (n.MODEL_VERSION, n.MODEL_CHECKSUM)


def measure(
    staged: DataFrame,
    *,
    users: DataFrame,
    interests: DataFrame,
    catalogue: DataFrame,
    out: DataFrame,
    touched: DataFrame | None,
    recalls: DataFrame,
    before: DataFrame | None,
    wanted: int,
) -> dict[str, float]:
    """Numbers about a staged night.

    Args:
        staged: the candidates of one ds.
        users: every user who must have a list (user_id).
        interests: the user_interests that the lists were made from; without a model the users with a usable history.
        catalogue: every item that the model knows, or without one every item with an index (item_id).
        out: items that no list may hold (item_id).
        touched: (user_id, excluded), what each user's list may not hold; None where people may buy again.
        recalls: recall_sample of the night.
        before: the candidates of the last night published, None where there is none.
        wanted: N.
    """
    found = _of_items(staged, catalogue, out)
    rows = _of_lists(staged, wanted, min(wanted, int(found["items"])))
    made = _of_users(staged, users, interests)
    found |= {name: float(value) for name, value in (rows | made).items() if not isinstance(value, list)}
    due = {tuple(row) for row in made["made_by"]}
    found["foreign_versions"] = float(len({tuple(row)[:2] for row in rows["made_with"]} - due))
    found["versions"] = float(len(rows["made_with"]))
    found["recall"] = _recall(recalls, {row[n.INDEX_CHECKSUM] for row in rows["made_with"]}, found)
    if touched is not None:
        held = staged.select(n.USER_ID, F.explode(n.ITEM_IDS).alias(n.ITEM_ID))
        theirs = touched.select(n.USER_ID, F.explode("excluded").alias(n.ITEM_ID))
        found["touched_items"] = float(held.join(theirs, [n.USER_ID, n.ITEM_ID], "left_semi").count())
    return found if before is None else found | _against(before, staged, int(found["lists"]))


def _of_items(staged: DataFrame, catalogue: DataFrame, out: DataFrame) -> dict[str, float]:
    """How often items are shown, held against what may be shown by plain unions and sums."""
    shown = staged.select(F.explode(n.ITEM_IDS).alias(n.ITEM_ID)).groupBy(n.ITEM_ID).agg(F.count("*").alias("places"))
    marks = [(catalogue, "known"), (out, "out"), (shown, "places")]
    zero, one = F.lit(0).cast("long"), F.lit(1).cast("long")
    rows = [
        frame.select(
            n.ITEM_ID,
            *[(F.col("places") if mark == "places" else one) if mark == name else zero for _, name in marks],
        ).toDF(n.ITEM_ID, "known", "out", "places")
        for frame, mark in marks
    ]
    sums = [F.sum(name).alias(name) for _, name in marks]
    items = rows[0].unionByName(rows[1]).unionByName(rows[2]).groupBy(n.ITEM_ID).agg(*sums).persist()
    is_shown, may_be = F.col("places") > 0, (F.col("known") > 0) & (F.col("out") == 0)
    counted = _first(
        items.agg(
            F.count_if(may_be).alias("items"),
            F.count_if(is_shown).alias("shown_items"),
            F.count_if(is_shown & (F.col("known") == 0)).alias("unknown_items"),
            F.count_if(is_shown & (F.col("out") > 0)).alias("left_out_items"),
            F.coalesce(F.sum("places"), zero).alias("places"),
        )
    )
    most = items.orderBy(F.desc("places")).limit(max(1, math.ceil(MOST_SHOWN * counted["items"])))
    top = _first(most.agg(F.coalesce(F.sum("places"), zero).alias("most_shown_places")))
    items.unpersist()
    return {name: float(value) for name, value in (counted.asDict() | top.asDict()).items()}


def _of_lists(staged: DataFrame, wanted: int, due: int) -> dict[str, Any]:
    """Counts over the lists, each looked at by itself, and what they say they were made with."""
    size = F.size(n.ITEM_IDS)
    reached = F.array_contains(n.INTEREST_OF_ORIGIN, BY_NEIGHBOURS)
    by_popularity = (F.col(n.ORIGIN) == ITEM_CF) & ~reached
    faults = {
        "full_lists": size >= due,
        "short_lists": (size < due) & F.col(n.SHORTFALL).isNull(),
        "unequal_lengths": (size != F.size(n.SCORES)) | (size != F.size(n.INTEREST_OF_ORIGIN)) | (size > wanted),
        "repeated_items": F.size(F.array_distinct(n.ITEM_IDS)) != size,
        "broken_scores": F.exists(n.SCORES, lambda score: score.isNull() | F.isnan(score) | (F.abs(score) > 1e30)),
        "unordered_scores": ~_ordered(F.col(n.SCORES)),
        "fallback_users": (F.col(n.ORIGIN) == "fallback") | by_popularity,
        "searched_lists": F.col(n.ORIGIN) == "model",
    }
    return _first(
        staged.agg(
            F.count(F.lit(1)).alias("lists"),
            *[F.count_if(fault).alias(name) for name, fault in faults.items()],
            F.collect_set(F.struct(*_MADE_BY, n.INDEX_CHECKSUM)).alias("made_with"),
        )
    ).asDict()


def _of_users(staged: DataFrame, users: DataFrame, interests: DataFrame) -> dict[str, Any]:
    """Who has a list, who is due one, and whose interests were used."""
    no, yes = F.lit(False), F.lit(True)
    nobody = F.lit(None).cast(f"struct<{n.MODEL_VERSION}: string, {n.MODEL_CHECKSUM}: string>")
    marks = ("due", "listed", "by_model", "interested", "made_by")
    by_model = F.coalesce(F.col(n.ORIGIN).isin("model", ITEM_CF), no)
    rows = [
        users.select(n.USER_ID, yes, no, no, no, nobody),
        staged.select(n.USER_ID, no, yes, by_model, no, nobody),
        interests.select(n.USER_ID, no, no, no, yes, F.struct(*_MADE_BY)),
    ]
    every = rows[0].toDF(n.USER_ID, *marks).union(rows[1].toDF(n.USER_ID, *marks))
    every = every.union(rows[2].toDF(n.USER_ID, *marks))
    each = every.groupBy(n.USER_ID).agg(*[F.max(mark).alias(mark) for mark in marks])
    return _first(
        each.agg(
            F.count_if(F.col("due") & ~F.col("listed")).alias("missing_users"),
            F.count_if(F.col("listed") & ~F.col("due")).alias("strange_users"),
            F.count_if(F.col("interested") & ~F.col("by_model")).alias("dropped_histories"),
            F.collect_set("made_by").alias("made_by"),
        )
    ).asDict()


def _recall(recalls: DataFrame, indexes: set[str], found: dict[str, float]) -> float:
    """The mean over the sample, where it was measured on the indexes that made the lists."""
    measured = recalls.where(F.col(n.INDEX_CHECKSUM).isin(*indexes)) if indexes else recalls.limit(0)
    mean = _first(measured.agg(F.avg(n.RECALL).alias("mean")))["mean"]
    # Of lists that nobody measured nothing is known; where none was searched for, nothing can be missing.
    unmeasured = 0.0 if found["searched_lists"] else 1.0
    return unmeasured if mean is None else float(mean)


def _against(before: DataFrame, staged: DataFrame, lists: int) -> dict[str, float]:
    """The night before: its lists and places, and how much of today's lists was in those of the same users."""
    sampled = F.pmod(F.xxhash64(n.USER_ID), F.lit(max(1, lists // COMPARED_USERS))) == 0
    mine = staged.where(sampled & (F.size(n.ITEM_IDS) > 0)).select(n.USER_ID, F.col(n.ITEM_IDS).alias("now"))
    theirs = before.select(
        n.USER_ID, F.when(sampled, F.col(n.ITEM_IDS)).alias("then"), F.size(n.ITEM_IDS).alias("long")
    )
    share = F.size(F.array_intersect("now", "then")) / F.size("now")
    counted = _first(
        theirs.join(mine, n.USER_ID, "left").agg(
            F.count(F.lit(1)).alias("lists_before"),
            F.coalesce(F.sum("long"), F.lit(0)).alias("places_before"),
            F.avg(F.when(F.col("now").isNotNull(), share)).alias("overlap"),
        )
    ).asDict()
    return {name: float(value) for name, value in counted.items() if value is not None}


def _ordered(scores: Column) -> Column:
    """True where no score is above the one before it."""
    length = F.size(scores)
    before, after = F.slice(scores, 1, F.greatest(length - 1, F.lit(0))), F.slice(scores, 2, length)
    return F.forall(F.zip_with(before, after, lambda left, right: left >= right), lambda holds: holds)


def _first(frame: DataFrame) -> Row:
    """The only row of an aggregate."""
    row = frame.first()
    assert row is not None
    return row
