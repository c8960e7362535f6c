"""A small night that passes every gate, for tests that plant a fault in it or count what is in it."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, SparkSession

from mind.publishing.gates import judge
from mind.publishing.measures import measure
from mind.recommending import GatesSection
from mind.storage.spark_schema import spark_schema
from mind.tables import ITEM_CF, STAGED
from mind.tables import names as n

SECTION = GatesSection(
    minimum_users=3,
    maximum_fallback_share=0.5,
    minimum_user_ratio=0.8,
    minimum_row_ratio=0.7,
    minimum_overlap=0.6,
    minimum_full_share=0.75,
    maximum_concentration=0.5,
    minimum_coverage=0.5,
    minimum_recall=0.89,
)
WANTED = 3
Lists = dict[str, dict[str, Any]]


def a_list(user: str, items: list[str], origin: str = "model") -> dict[str, Any]:
    return {
        n.USER_ID: user,
        n.ITEM_IDS: items,
        n.SCORES: [0.9, 0.5, 0.5],
        n.INTEREST_OF_ORIGIN: [0, 1, 0] if origin == "model" else [-1, -1, -1],
        n.ORIGIN: origin,
        n.SHORTFALL: None,
        n.MODEL_VERSION: "7",
        n.MODEL_CHECKSUM: "weights",
        n.INDEX_CHECKSUM: "index",
    }


def clean() -> Lists:
    lists = [
        a_list("ann", ["a", "b", "c"]),
        a_list("bob", ["d", "b", "a"]),
        a_list("cas", ["c", "e", "a"]),
        a_list("eve", ["a", "b", "d"], origin="fallback"),
        a_list("fay", ["a", "b", "d"], origin="fallback"),
    ]
    return {row[n.USER_ID]: row for row in lists}


class Night:
    """What stands beside the staged lists, and the numbers found about them.

    Item z is blocked; ann touched f and z lately. The night before had the same users: three of them had two of
    today's items, the others all three.
    """

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self.users = self._frame([(user,) for user in ("ann", "bob", "cas", "eve", "fay")], f"{n.USER_ID} string")
        made_by = f"{n.USER_ID} string, {n.MODEL_VERSION} string, {n.MODEL_CHECKSUM} string"
        self.interests = self._frame([(user, "7", "weights") for user in ("ann", "bob", "cas")], made_by)
        self.recalls = self.sample([1.0, 0.8], "index")
        self.catalogue = self._frame([(item,) for item in "abcdefz"], f"{n.ITEM_ID} string")
        self.out = self._frame([("z",)], f"{n.ITEM_ID} string")
        self.touched = self._frame([("ann", ["f", "z"]), ("bob", ["c"])], f"{n.USER_ID} string, excluded array<string>")
        before = {user: [*row[n.ITEM_IDS][:2], row[n.ITEM_IDS][2]] for user, row in clean().items()}
        before |= {user: [*before[user][:2], "old"] for user in ("ann", "bob", "cas")}
        self.before = self._frame(list(before.items()), f"{n.USER_ID} string, {n.ITEM_IDS} array<string>")

    def _frame(self, rows: list[tuple[Any, ...]], schema: str) -> DataFrame:
        return self._spark.createDataFrame(rows, schema).coalesce(1).persist()

    def sample(self, recalls: list[float], index: str) -> DataFrame:
        rows = [(f"user {number}", recall, index) for number, recall in enumerate(recalls)]
        return self._frame(rows, f"{n.USER_ID} string, {n.RECALL} double, {n.INDEX_CHECKSUM} string")

    def without_a_model(self) -> dict[str, DataFrame]:
        """What stands beside the lists of such a night: those with a history, and nobody in a sample."""
        made_by = f"{n.USER_ID} string, {n.MODEL_VERSION} string, {n.MODEL_CHECKSUM} string"
        rows = [(user, ITEM_CF, "settings") for user in ("ann", "bob", "cas")]
        return {"interests": self._frame(rows, made_by), "recalls": self.sample([], "index")}

    def measured(self, lists: Lists, **others: DataFrame | None) -> dict[str, float]:
        """The numbers about these lists; `others` takes the place of what stands beside them."""
        kinds = {field.name: field for field in spark_schema(STAGED).fields}
        rows = list(lists.values())
        names = list(rows[0])
        schema = ", ".join(f"`{name}` {kinds[name].dataType.simpleString()}" for name in names)
        staged = self._frame([tuple(row[name] for name in names) for row in rows], schema)
        beside = {
            "users": self.users,
            "interests": self.interests,
            "catalogue": self.catalogue,
            "out": self.out,
            "touched": self.touched,
            "recalls": self.recalls,
            "before": self.before,
        }
        try:
            return measure(staged, **(beside | others), wanted=WANTED)  # type: ignore[arg-type]
        finally:
            staged.unpersist()


def failed(found: dict[str, float], section: GatesSection = SECTION) -> list[str]:
    """The names of the gates that these numbers fail."""
    return [gate.name for gate in judge(found, section) if not gate.passed]
