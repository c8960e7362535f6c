"""Vocabulary, items and users: the external world, numbered."""

from __future__ import annotations

import pyarrow as pa

from mind.tables import names as n
from mind.tables.behaviours import MAP, MOMENT
from mind.tables.contract import Column, Contract

CODES = pa.list_(pa.int32())

VOCABULARY = Contract(
    name="vocabulary",
    grain="one value of one feature; append-only, an index never moves",
    key=(n.FEATURE, n.VALUE),
    partition=(),
    produced_by="build_vocabulary",
    columns=(
        Column(name=n.FEATURE, type=pa.string(), meaning="item_id, or the name of an item or profile feature"),
        Column(name=n.VALUE, type=pa.string(), meaning="external value"),
        Column(name=n.INDEX, type=pa.int32(), meaning="dense index from 2; 0 is padding, 1 is unknown"),
        Column(name=n.ADDED_DS, type=pa.date32(), meaning="day of the run that added it"),
    ),
)

ITEMS = Contract(
    name="items",
    grain="one item as known at the end of a day",
    key=(n.DS, n.ITEM_ID),
    partition=(n.DS,),
    produced_by="build_vocabulary",
    columns=(
        Column(name=n.DS, type=pa.date32(), meaning="the day"),
        Column(name=n.ITEM_ID, type=pa.string(), meaning="external id of the item"),
        Column(name=n.ITEM_INDEX, type=pa.int32(), meaning="dense index, 1 where it is too rare to have one"),
        Column(
            name=n.ITEM_CODES,
            type=CODES,
            meaning="Fi: dense index of the item, then of each feature; 0 missing",
        ),
        Column(name=n.ITEM_ATTRIBUTES, type=MAP, meaning="latest words for people (name ...)"),
        Column(name=n.BEHAVIOURS, type=pa.int64(), meaning="positive behaviours so far", unit="events"),
        Column(name=n.FIRST_SEEN, type=MOMENT, meaning="first positive behaviour", unit="UTC"),
        Column(name=n.LAST_SEEN, type=MOMENT, meaning="last positive behaviour", unit="UTC"),
    ),
)

USERS = Contract(
    name="users",
    grain="one user as known at the end of a day",
    key=(n.DS, n.USER_ID),
    partition=(n.DS,),
    produced_by="build_vocabulary",
    columns=(
        Column(name=n.DS, type=pa.date32(), meaning="the day"),
        Column(name=n.USER_ID, type=pa.string(), meaning="external id of the user"),
        Column(name=n.PROFILE, type=CODES, meaning="Pu: dense index of each profile feature; 0 missing"),
        Column(
            name=n.BEHAVIOURS,
            type=pa.int64(),
            meaning="positive behaviours so far, 0 if all were undone",
            unit="events",
        ),
        Column(name=n.FIRST_SEEN, type=MOMENT, meaning="first accepted event", unit="UTC"),
        Column(name=n.LAST_SEEN, type=MOMENT, meaning="last accepted event", unit="UTC"),
    ),
)
