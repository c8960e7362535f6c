"""Item-based collaborative filtering: items that the same users chose, by the cosine of their users.

    similarity(i, j) = users of both / (sqrt(users of i * users of j) + damping)

A pair that few users share is worth little evidence: with a damping of d, an item of one user that another item shares
has similarity 1 / (1 + d) instead of 1. Scores from these neighbours: `neighbour_scores` for all users of a night,
`mind.baselines.neighbour_scorer` for those who evaluate without Spark.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from mind.tables import names as n

NEIGHBOUR_INDEX = "neighbour_index"
SIMILARITY = "similarity"
RANK = "rank"
SCORE = "score"

_USERS = "users"
_BOTH = "both"
_AGE = "age"
_NEAR = "near"
_STEPS = float(2**40)
"""Terms of a score are whole multiples of 1 / this: sums of whole numbers are the same in any order."""


def item_neighbours(
    behaviours: DataFrame, *, neighbours: int = 100, damping: float = 0.0, most_recent: int = 500
) -> DataFrame:
    """Each item's most similar others: (item_index int, neighbour_index int, similarity double, rank int from 1).

    behaviours: (user_id, item_index, event_time), where the time is anything that sorts. What a user chose several
    times counts once, at the last of these times. Each user contributes the `most_recent` items chosen last (of one
    time those with the greater index), so a user of a million behaviours makes no more than
    most_recent (most_recent - 1) / 2 pairs; users are counted after that cut, so a similarity is at most 1. Of equally
    similar neighbours the one with the smaller index comes first. Counts are whole numbers, so partitions and the
    order of rows change no bit. An item that shares no user has no row.

    Raises ValueError for neighbours below 1, most_recent below 2 or a negative damping.
    """
    if neighbours < 1 or most_recent < 2 or damping < 0:
        raise ValueError(
            f"neighbours is {neighbours}, most_recent {most_recent}, damping {damping}; "
            "they must be at least 1, 2 and 0"
        )
    chosen = _latest(behaviours, most_recent)
    pairs = _pairs(chosen).groupBy(n.ITEM_INDEX, NEIGHBOUR_INDEX).agg(F.count(F.lit(1)).alias(_BOTH))
    of_item = chosen.groupBy(n.ITEM_INDEX).agg(F.count(F.lit(1)).alias(_USERS))
    of_neighbour = of_item.select(F.col(n.ITEM_INDEX).alias(NEIGHBOUR_INDEX), F.col(_USERS).alias("neighbour_users"))
    cosine_part = F.sqrt(F.col(_USERS) * F.col("neighbour_users")) + F.lit(float(damping))
    similar = (
        pairs.join(of_item, n.ITEM_INDEX)
        .join(of_neighbour, NEIGHBOUR_INDEX)
        .select(n.ITEM_INDEX, NEIGHBOUR_INDEX, (F.col(_BOTH) / cosine_part).alias(SIMILARITY))
    )
    turned = similar.select(
        F.col(NEIGHBOUR_INDEX).alias(n.ITEM_INDEX), F.col(n.ITEM_INDEX).alias(NEIGHBOUR_INDEX), SIMILARITY
    )
    best = Window.partitionBy(n.ITEM_INDEX).orderBy(F.col(SIMILARITY).desc(), NEIGHBOUR_INDEX)
    ranked = similar.unionAll(turned).withColumn(RANK, F.row_number().over(best))
    return ranked.where(F.col(RANK) <= neighbours)


def neighbour_scores(histories: DataFrame, similar: DataFrame, *, recency_decay: float = 0.9) -> DataFrame:
    """What `NeighbourScorer` computes, for all users at once: (user_id, item_id, score double), scores above 0 alone.

    histories: (user_id, history, history_length) of `mind.features.history.histories_at_end`, one row a user. similar:
    (item_index, item_id, similarity), the neighbours of an item by their external ids, each once. Each of the L terms
    of a score is rounded to 2^-40, so scores differ from exact sums by at most L 2^-41, and partitions change no bit.

    An item has one row of neighbours here and each behaviour looks it up once, so of an item with half of all
    behaviours nothing is multiplied but its limited neighbours; where the lookup is a shuffle, adaptive execution cuts
    such an item's part into several tasks.

    Raises ValueError for a decay that is not above 0 and at most 1.
    """
    if not 0 < recency_decay <= 1:
        raise ValueError(f"recency_decay is {recency_decay}; it must be above 0 and at most 1")
    latest_first = F.reverse(F.slice(n.HISTORY, F.lit(1), F.col(n.HISTORY_LENGTH)))
    aged = histories.select(n.USER_ID, F.posexplode(latest_first).alias(_AGE, n.ITEM_INDEX))
    near = similar.groupBy(n.ITEM_INDEX).agg(F.collect_list(F.struct(n.ITEM_ID, SIMILARITY)).alias(_NEAR))
    pairs = aged.join(near, n.ITEM_INDEX).select(n.USER_ID, _AGE, F.inline(_NEAR))
    term = F.col(SIMILARITY) * F.pow(F.lit(float(recency_decay)), F.col(_AGE))
    steps = F.sum(F.rint(term * _STEPS).cast("long")).alias(SCORE)
    summed = pairs.groupBy(n.USER_ID, n.ITEM_ID).agg(steps).where(F.col(SCORE) > 0)
    return summed.withColumn(SCORE, F.col(SCORE) / _STEPS)


def _latest(behaviours: DataFrame, most_recent: int) -> DataFrame:
    """(user_id, item_index): the items that each user chose last, each once."""
    once = behaviours.groupBy(n.USER_ID, n.ITEM_INDEX).agg(F.max(n.EVENT_TIME).alias(n.EVENT_TIME))
    # A rank under a limit is cut inside each task before anything is shuffled.
    last = Window.partitionBy(n.USER_ID).orderBy(F.col(n.EVENT_TIME).desc(), F.col(n.ITEM_INDEX).desc())
    cut = once.withColumn(_AGE, F.row_number().over(last)).where(F.col(_AGE) <= most_recent)
    return cut.select(n.USER_ID, F.col(n.ITEM_INDEX).cast("int").alias(n.ITEM_INDEX))


def _pairs(chosen: DataFrame) -> DataFrame:
    """(item_index, neighbour_index): every two items of a user, the smaller index first."""
    lists = chosen.groupBy(n.USER_ID).agg(F.array_sort(F.collect_list(n.ITEM_INDEX)).alias("items"))
    firsts = lists.select("items", F.posexplode("items").alias("place", n.ITEM_INDEX))
    # From place + 2, counted from 1: what comes after. The last item has nothing after it.
    after = F.slice("items", F.col("place") + 2, F.size("items"))
    return firsts.select(n.ITEM_INDEX, F.explode(after).alias(NEIGHBOUR_INDEX))
