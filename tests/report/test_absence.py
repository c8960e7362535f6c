"""Why an item is not in a list: each reason by itself, and the rank against a slow count."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from pyspark.sql import Row, SparkSession

from mind.errors import MindError
from mind.operations.explain import standing_of, user_row
from mind.report.absence import by_score, in_list
from mind.tables import CANDIDATES, USER_INTERESTS
from mind.tables import names as n
from tests.storage.frames import frame_of

IDS = ["d", "a", "c", "b", "e"]
VECTORS_VD = np.array([[3, 0], [1, 1], [0, 2], [2, 0], [-1, -1]], dtype=np.float32)
USER = Row(
    user_id="u",
    interests=[[1.0, 0.0], [0.0, 1.0]],
    item_ids=["d", "b"],
    scores=[3.0, 2.0],
    interest_of_origin=[0, 0],
    origin="model",
)


@pytest.mark.parametrize(("item", "rank"), [("d", 1), ("b", 2), ("c", 3), ("a", 4), ("e", 5)])
def test_the_rank_is_that_of_a_slow_count(item: str, rank: int) -> None:
    best = {name: max(vector) for name, vector in zip(IDS, VECTORS_VD.tolist(), strict=True)}
    assert sorted(best, key=lambda name: (-best[name], name)).index(item) + 1 == rank, "b and c tie: the id decides"
    told = by_score(item, USER, IDS, VECTORS_VD)
    assert f"its score {best[item]:.4f} is rank {rank} of 5" in told
    assert "the list of 2 ends with 2.0000" in told


def test_an_item_in_the_list_is_told_with_its_place() -> None:
    assert in_list("b", USER) == "it is in the list: rank 2, score 2.0000, by interest 1"
    assert in_list("c", USER) is None
    popular = Row(**(USER.asDict() | {"interest_of_origin": [-1, -1]}))
    assert "by popularity" in str(in_list("d", popular))
    neighbours = Row(**(USER.asDict() | {"interest_of_origin": [-2, -1]}))
    assert "by item neighbours" in str(in_list("d", neighbours))


def test_each_reason_is_told_in_its_order(spark: SparkSession) -> None:
    items = spark.createDataFrame(
        [("a", 2, 5), ("c", 3, 5), ("rare", 1, 1), ("late", 9, 5), ("x", 4, 5), ("bad", 5, 5)],
        "item_id string, item_index int, behaviours long",
    )
    rows = [("a", [1.0, 1.0]), ("c", [0.0, 2.0]), ("x", [9.0, 9.0]), ("bad", [9.0, 9.0])]
    vectors = spark.createDataFrame(rows, "item_id string, vector array<float>")
    touched = spark.createDataFrame([("u", ["x"])], "user_id string, excluded array<string>")
    out = spark.createDataFrame([("bad", "blocked: recalled")], "item_id string, why string")
    asked = ("d", "none", "rare", "late", "x", "c", "bad")
    told = {item: standing_of(item, USER, items, vectors, out, touched) for item in asked}
    assert told["d"].startswith("it is in the list: rank 1")
    assert "no standing behaviour" in told["none"]
    assert "too rare to have an index: 1 behaviours" in told["rare"]
    assert "the model was trained before it was known" in told["late"]
    assert "retrieval.exclude_days" in told["x"]
    assert told["bad"].startswith("blocked: recalled; see retrieval.blocklist")
    assert "rank 2 of 3" in told["c"]
    cold = Row(**(USER.asDict() | {"interests": None}))
    assert "no usable history and gets the 2 most popular" in standing_of("c", cold, items, vectors, out, touched)
    scored = Row(**(cold.asDict() | {"origin": "item_cf"}))
    assert "no neighbour of the user's last behaviours" in standing_of("c", scored, items, vectors, out, touched)


def test_a_user_without_a_list_is_told_so(spark: SparkSession) -> None:
    lists = frame_of(spark, CANDIDATES, [{n.USER_ID: "u", n.ITEM_IDS: ["a"], n.SCORES: [1.0], n.ORIGIN: "fallback"}])
    interests = frame_of(spark, USER_INTERESTS, [])
    assert user_row("u", date(2011, 12, 8), lists, interests)[n.INTERESTS] is None
    with pytest.raises(MindError, match="user 'U' has no list in the night of 2011-12-08"):
        user_row("U", date(2011, 12, 8), lists, interests)
