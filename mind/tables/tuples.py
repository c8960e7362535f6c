"""Training tuples (Iu, Pu, Fi): Parquet, because the trainer reads it without Spark; no nulls, dense int32."""

from __future__ import annotations

import pyarrow as pa

from mind.tables import names as n
from mind.tables.behaviours import MOMENT
from mind.tables.catalogue import CODES
from mind.tables.contract import Column, Contract

AGE_BUCKETS = 24
"""Of behaviours' ages, see `mind/features/ages.py`; the model has a row for each (`mind/model/behaviour_time.py`)."""

AGES = Column(
    name=n.HISTORY_AGES,
    type=pa.list_(pa.int8()),
    meaning=f"only with `model.behaviour_time`: age of each behaviour at as_of, in buckets of 1 to {AGE_BUCKETS}, "
    "bucket b from 2^(b-2) minutes on; 0 after the end, L long",
)

NEXT = Column(
    name=n.NEXT_TARGETS,
    type=CODES,
    meaning="only with `tuples.next_targets` n above 1: dense item indexes of the training targets of the user that "
    "follow this one, in their order; 0 after the end and in validation and test, n - 1 long",
)

TUPLES = Contract(
    name="tuples",
    format="parquet",
    grain="one target behaviour with the history before it",
    key=(n.USER_ID, n.TARGET_TIME, n.ITEM_ID, n.EVENT_ID),
    partition=(n.DS, n.SPLIT),
    produced_by="build_tuples",
    columns=(
        Column(name=n.DS, type=pa.date32(), meaning="day of the run; in the path, not in the files"),
        Column(name=n.SPLIT, type=pa.string(), meaning="train, validation or test; in the path, not in the files"),
        Column(name=n.USER_ID, type=pa.string(), meaning="external id of the user"),
        Column(name=n.ITEM_ID, type=pa.string(), meaning="external id of the target item"),
        Column(name=n.EVENT_ID, type=pa.string(), meaning="the target behaviour"),
        Column(
            name=n.TARGET_TIME,
            type=MOMENT,
            meaning="as_of: history and profile are strictly older",
            unit="UTC",
        ),
        Column(
            name=n.HISTORY,
            type=CODES,
            meaning="Iu: dense item indexes, oldest first, 0 after the end, L long",
        ),
        Column(name=n.HISTORY_LENGTH, type=pa.int32(), meaning="behaviours in the history, 1 to L", unit="events"),
        Column(name=n.PROFILE, type=CODES, meaning="Pu: dense index of each profile feature; 0 missing"),
        Column(name=n.TARGET, type=CODES, meaning="Fi: dense index of the item, then of each feature; 0 missing"),
    ),
    optional=(AGES, NEXT),
)

CATALOGUE = Contract(
    name="tuples/catalogue",
    format="parquet",
    grain="one item with a dense index, beside the tuples that use it",
    key=(n.ITEM_INDEX,),
    partition=(n.DS,),
    produced_by="build_tuples",
    columns=(
        Column(name=n.DS, type=pa.date32(), meaning="day of the run; in the path, not in the files"),
        Column(name=n.ITEM_INDEX, type=pa.int32(), meaning="dense index from 2"),
        Column(name=n.ITEM_ID, type=pa.string(), meaning="external id of the item"),
        Column(
            name=n.ITEM_CODES,
            type=CODES,
            meaning="Fi: dense index of the item, then of each feature; 0 missing",
        ),
        Column(
            name=n.BEHAVIOURS,
            type=pa.int64(),
            meaning="positive behaviours in the training days",
            unit="events",
        ),
    ),
)
