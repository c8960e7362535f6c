"""Why an item is not in a user's list, or where in it it is.

Shapes: K interests of the user, V items of the catalogue, D dimension.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from mind.tables import BY_NEIGHBOURS, BY_POPULARITY
from mind.tables import names as n

UNKNOWN = 1


def before_scores(
    item_id: str, items: DataFrame, item_vectors: DataFrame, out: DataFrame, touched: DataFrame
) -> str | None:
    """Why the item could not be recommended at all; None where it could.

    Args:
        items: the items of the night.
        item_vectors: what the model could recommend on it, or without one every item with an index.
        out: (item_id, why) of the items that no list may hold.
        touched: (user_id, excluded) of the user.
    """
    known = items.where(F.col(n.ITEM_ID) == item_id).first()
    if known is None:
        return "it has no standing behaviour in the days that this night read, or its id is written otherwise"
    if known[n.ITEM_INDEX] <= UNKNOWN:
        return (
            f"it is too rare to have an index: {known[n.BEHAVIOURS]} behaviours, the rule is vocabulary.minimum_count"
        )
    if item_vectors.where(F.col(n.ITEM_ID) == item_id).isEmpty():
        return "the model was trained before it was known, or it is not in the night's catalogue; train anew"
    left_out = out.where(F.col(n.ITEM_ID) == item_id).first()
    if left_out is not None:
        return f"{left_out['why']}; see retrieval.blocklist, allowlist and inactive_days"
    if not touched.where(F.array_contains("excluded", item_id)).isEmpty():
        return "the user touched it within retrieval.exclude_days"
    return None


def by_score(item_id: str, user: Row, ids_V: Sequence[str], vectors_VD: NDArray[np.float32]) -> str:
    """Where the item would stand by its score: max over interests of v_k . e_i (equation 3), ties by item id."""
    interests_KD = np.array(user[n.INTERESTS], dtype=np.float64)
    scores_V = np.concatenate(
        [
            (vectors_VD[at : at + 65_536].astype(np.float64) @ interests_KD.T).max(axis=1)
            for at in range(0, len(ids_V), 65_536)
        ]
    ).astype(np.float32)
    place = list(ids_V).index(item_id)
    score = scores_V[place]
    ties = sum(1 for other in np.flatnonzero(scores_V == score) if ids_V[other] < item_id)
    rank = int((scores_V > score).sum()) + ties + 1
    listed = len(user[n.ITEM_IDS])
    last = f"; the list of {listed:,} ends with {user[n.SCORES][-1]:.4f}" if listed else ""
    return f"below the cut: its score {score:.4f} is rank {rank:,} of {len(ids_V):,} before exclusions{last}"


def in_list(item_id: str, user: Row) -> str | None:
    """Its place in the list; None where it is not in it."""
    if item_id not in user[n.ITEM_IDS]:
        return None
    place = user[n.ITEM_IDS].index(item_id)
    origin = user[n.INTEREST_OF_ORIGIN][place]
    words = {BY_POPULARITY: "by popularity", BY_NEIGHBOURS: "by item neighbours"}
    by = words.get(origin, f"by interest {origin + 1}")
    return f"it is in the list: rank {place + 1:,}, score {user[n.SCORES][place]:.4f}, {by}"
