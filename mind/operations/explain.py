"""One user of a night in words, and where one item stands for this user."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from mind.errors import MindError
from mind.report.absence import before_scores, by_score, in_list
from mind.serving.explaining import reason_columns
from mind.tables import ITEM_CF
from mind.tables import names as n


def without_model(lists: DataFrame) -> bool:
    """Whether a night's lists were made without a model: then no vectors and no interests are behind them."""
    return not lists.where(F.col(n.MODEL_VERSION) == ITEM_CF).isEmpty()


def user_row(user_id: str, ds: date, lists: DataFrame, interests: DataFrame) -> Row:
    """The user's list and, where there are any, the interests behind it.

    Raises:
        MindError: the night has no list for the user.
    """
    mine = lists.where(F.col(n.USER_ID) == user_id).select(
        n.USER_ID, n.ITEM_IDS, n.SCORES, n.INTEREST_OF_ORIGIN, n.ORIGIN
    )
    columns = (n.USER_ID, n.INTERESTS, n.HISTORY_LENGTH, n.MODEL_VERSION, *reason_columns(interests))
    found = mine.join(interests.select(*columns), n.USER_ID, "left").first()
    if found is None:
        raise MindError(
            f"user {user_id!r} has no list in the night of {ds}: no accepted event up to then, or forgotten. Look into "
            "behaviours and quarantine; ids are compared letter by letter."
        )
    return found


def standing_of(
    item_id: str, user: Row, items: DataFrame, item_vectors: DataFrame, out: DataFrame, touched: DataFrame
) -> str:
    """Where an item stands for a user, in words. `out`: (item_id, why), what no list may hold."""
    told = in_list(item_id, user) or before_scores(item_id, items, item_vectors, out, touched)
    if told is not None:
        return told
    if user[n.INTERESTS] is None and user[n.ORIGIN] == ITEM_CF:
        return (
            "no neighbour of the user's last behaviours scores high enough, and it is not popular enough to fill up "
            f"the list of {len(user[n.ITEM_IDS]):,}"
        )
    if user[n.INTERESTS] is None:
        return (
            f"the user has no usable history and gets the {len(user[n.ITEM_IDS]):,} most popular items; it is not one"
        )
    table = item_vectors.join(out, n.ITEM_ID, "left_anti").select(n.ITEM_ID, n.VECTOR).toArrow()
    vectors_VD = table[n.VECTOR].combine_chunks().flatten().to_numpy().reshape(table.num_rows, -1)
    return by_score(item_id, user, table[n.ITEM_ID].to_pylist(), vectors_VD)
