"""WALS, the paper's first baseline: weighted matrix factorisation of who chose what, by Spark ML's ALS.

Hu, Koren and Volinsky (2008), with the regularisation scaled by counts of Zhou et al. (2008), as Spark has it. With
r_ui the times that user u chose item i, it minimises over all pairs

    sum (1 + confidence r_ui) ([r_ui > 0] - x_u . y_i)^2  +  regularisation (sum n_u |x_u|^2 + sum n_i |y_i|^2)

where n counts the pairs with r > 0 of a user or an item. Scores: `mind.baselines.factor_scorer`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from mind.baselines import FIRST_ITEM
from mind.baselines.factor_scorer import Factors
from mind.tables import names as n

_USER = "user_number"
_TIMES = "times"


def fit(
    behaviours: DataFrame,
    *,
    dimension: int = 64,
    regularisation: float = 0.01,
    confidence: float = 10.0,
    iterations: int = 15,
    seed: int = 1,
    blocks: int = 8,
) -> Factors:
    """Factors of every user and item in `behaviours` (user_id, item_index), brought to the driver.

    The same rows, seed and number of blocks (into which Spark divides users, and items, among its tasks) give the same
    factors on one machine; on a cluster sums may be taken in the order in which blocks arrive, which moves last digits.
    Users are numbered by their ids, since Spark's ALS wants integers, and the last half-step solves for users, so
    `FactorScorer.folded` of all rows of a user is that user's factor.

    Raises:
        ValueError: there are no rows.
    """
    times = behaviours.groupBy(n.USER_ID, n.ITEM_INDEX).agg(F.count(F.lit(1)).cast("float").alias(_TIMES))
    # One task sorts the ids; it holds less than the driver will, which gets every user's factor.
    number = F.row_number().over(Window.orderBy(n.USER_ID)) - 1
    users = times.select(n.USER_ID).distinct().withColumn(_USER, number)
    ratings = times.join(users, n.USER_ID).select(_USER, n.ITEM_INDEX, _TIMES)
    algorithm = ALS(
        rank=dimension,
        maxIter=iterations,
        regParam=regularisation,
        alpha=confidence,
        implicitPrefs=True,
        seed=seed,
        userCol=_USER,
        itemCol=n.ITEM_INDEX,
        ratingCol=_TIMES,
        numUserBlocks=blocks,
        numItemBlocks=blocks,
        checkpointInterval=-1,
    )
    # ALS draws and adds in the order of its input.
    ordered = ratings.repartition(blocks, _USER).sortWithinPartitions(_USER, n.ITEM_INDEX).persist()
    try:
        if ordered.isEmpty():
            raise ValueError("there are no behaviours to factorise; check the days and the split")
        model = algorithm.fit(ordered)
    finally:
        ordered.unpersist()
    items, item_factors = _matrix(model.itemFactors)
    numbers, user_factors = _matrix(model.userFactors)
    ids = users.orderBy(_USER).toArrow()[n.USER_ID].to_pylist()
    return Factors(
        item_positions_M=items - FIRST_ITEM,
        item_factors_MD=item_factors,
        user_ids=[ids[number] for number in numbers.tolist()],
        user_factors_UD=user_factors,
        regularisation=regularisation,
        confidence=confidence,
    )


def _matrix(factors: DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids, ascending, and their factors, as Spark's model holds them."""
    table = factors.orderBy("id").toArrow()
    ids = table["id"].to_numpy().astype(np.int64)
    flat = table["features"].combine_chunks().flatten().to_numpy()
    return ids, flat.reshape(len(ids), -1)
