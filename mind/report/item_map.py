"""A map of the items: their vectors in the two directions in which they differ most, with one user's interests on it.

Shapes: V items of the sample, D dimension, K interests, H behaviours, C candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from mind.report.sample import sampled
from mind.tables import names as n

SAMPLE = 1500
"""Items drawn, about; chosen by a hash of their ids."""
CANDIDATES = 60

Points = list[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class ItemMap:
    """Points of the map."""

    items: Points
    explained: float
    """Share of the items' variance that lies in these two directions."""
    user_id: str | None = None
    """Whose interests are on it; None where there are none."""
    interests: Points = ()  # type: ignore[assignment]
    behaviours: Points = ()  # type: ignore[assignment]
    candidates: tuple[tuple[int, tuple[float, float]], ...] = ()
    """The first candidates: interest of origin and place."""


def item_map(item_vectors: DataFrame, items: DataFrame, held: int, users: list[Row]) -> ItemMap | None:
    """The map of a night; None where it has fewer than two items.

    Args:
        item_vectors: of the night.
        items: of the night.
        held: rows of item_vectors.
        users: history, interests and candidates as `people.choose` gives them; the first one is shown.
    """
    user = users[0] if users else None
    shown = [] if user is None else list(user[n.ITEM_IDS][:CANDIDATES])
    routed = [] if user is None else [index for index in user[n.HISTORY] if index]
    named = item_vectors.join(items.select(n.ITEM_ID, n.ITEM_INDEX), n.ITEM_ID).select(
        n.ITEM_ID, n.ITEM_INDEX, n.VECTOR, sampled(n.ITEM_ID, SAMPLE, held).alias("sampled")
    )
    wanted = named.where(F.col("sampled") | F.col(n.ITEM_ID).isin(shown) | F.col(n.ITEM_INDEX).isin(routed))
    rows = sorted(wanted.collect(), key=lambda row: str(row[n.ITEM_ID]))
    vectors_VD = np.array([row[n.VECTOR] for row in rows if row["sampled"]], dtype=np.float64)
    if len(vectors_VD) < 2:
        return None
    centre_D, axes_2D, explained = principal_axes(vectors_VD)

    def placed(vectors_XD: list[list[float]]) -> Points:
        if not vectors_XD:
            return []
        found = (np.array(vectors_XD, dtype=np.float64) - centre_D) @ axes_2D.T
        return [(float(x), float(y)) for x, y in found]

    by_id = {row[n.ITEM_ID]: row[n.VECTOR] for row in rows}
    by_index = {row[n.ITEM_INDEX]: row[n.VECTOR] for row in rows}
    items_V2 = placed(vectors_VD.tolist())
    if user is None:
        return ItemMap(items=items_V2, explained=explained)
    origins = dict(zip(user[n.ITEM_IDS], user[n.INTEREST_OF_ORIGIN], strict=True))
    known = [item for item in shown if item in by_id]
    return ItemMap(
        items=items_V2,
        explained=explained,
        user_id=user[n.USER_ID],
        interests=placed([list(vector) for vector in user[n.INTERESTS]]),
        behaviours=placed([by_index[index] for index in dict.fromkeys(routed) if index in by_index]),
        candidates=tuple(zip([origins[item] for item in known], placed([by_id[item] for item in known]), strict=True)),
    )


def principal_axes(vectors_VD: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Centre [D], the two directions of the greatest variance [2, D], and the share of the variance in them.

    An axis points to where its largest component is positive, so the same vectors give the same map.
    """
    centre_D = vectors_VD.mean(axis=0)
    _, lengths, axes_DD = np.linalg.svd(vectors_VD - centre_D, full_matrices=False)
    axes_2D = np.zeros((2, vectors_VD.shape[1]))
    axes_2D[: min(2, len(axes_DD))] = axes_DD[:2]
    largest = np.abs(axes_2D).argmax(axis=1)
    axes_2D *= np.where(axes_2D[np.arange(2), largest] < 0, -1.0, 1.0)[:, None]
    variance = lengths**2
    return centre_D, axes_2D, float(variance[:2].sum() / max(variance.sum(), 1e-30))
