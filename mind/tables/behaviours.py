"""Accepted events and refused rows, together every row of the raw log; and what a file says of users over time."""

from __future__ import annotations

import pyarrow as pa

from mind.tables import names as n
from mind.tables.contract import Column, Contract

MAP = pa.map_(pa.string(), pa.string())
MOMENT = pa.timestamp("us", tz="UTC")

BEHAVIOURS = Contract(
    name="behaviours",
    grain="one accepted event",
    key=(n.EVENT_ID,),
    partition=(n.EVENT_DAY,),
    produced_by="ingest",
    columns=(
        Column(name=n.EVENT_ID, type=pa.string(), meaning="MD5 of the raw row: equal rows are one event"),
        Column(name=n.USER_ID, type=pa.string(), meaning="external id of the user"),
        Column(name=n.ITEM_ID, type=pa.string(), meaning="external id of the item"),
        Column(name=n.EVENT_TYPE, type=pa.string(), meaning="what happened, in the source's words"),
        Column(name=n.EVENT_TIME, type=MOMENT, meaning="when it happened", unit="UTC, microseconds"),
        Column(name=n.EVENT_DAY, type=pa.date32(), meaning="day of the event in the lake's time zone"),
        Column(
            name=n.QUANTITY,
            type=pa.float64(),
            meaning="amount; pairs a cancellation with its purchase",
            unit="units",
        ),
        Column(name=n.ITEM_ATTRIBUTES, type=MAP, meaning="words for people, by attribute (name ...)"),
        Column(name=n.ITEM_VALUES, type=MAP, meaning="value of each item feature; null where not given"),
        Column(name=n.USER_VALUES, type=MAP, meaning="value of each profile feature; null where not given"),
        Column(name=n.SOURCE, type=pa.string(), meaning="source description that read the row"),
    ),
)

QUARANTINE = Contract(
    name="quarantine",
    grain="one refused row, in the run that refused it",
    key=(n.DS, n.EVENT_ID, n.COPY),
    partition=(n.DS,),
    produced_by="ingest",
    columns=(
        Column(name=n.DS, type=pa.date32(), meaning="day of the run"),
        Column(name=n.EVENT_ID, type=pa.string(), meaning="MD5 of the raw row"),
        Column(name=n.COPY, type=pa.int32(), meaning="counts equal raw rows from 1"),
        Column(name=n.REASON, type=pa.string(), meaning="the rule that refused it"),
        Column(name=n.BAD, type=pa.bool_(), meaning="counts towards ingest.bad_row_limit"),
        Column(name=n.RAW, type=pa.string(), meaning="the raw row", unit="JSON"),
        Column(name=n.SOURCE_FILE, type=pa.string(), meaning="file that held the row"),
    ),
)

PROFILES = Contract(
    name="profiles",
    grain="what the file about users says of one of them from a moment on; only where [user_file] has a moment",
    key=(n.DS, n.USER_ID, n.KNOWN_FROM),
    partition=(n.DS,),
    produced_by="ingest",
    columns=(
        Column(name=n.DS, type=pa.date32(), meaning="day of the run: nothing that was known after its end"),
        Column(name=n.USER_ID, type=pa.string(), meaning="external id of the user"),
        Column(name=n.KNOWN_FROM, type=MOMENT, meaning="known to whatever is later", unit="UTC, microseconds"),
        Column(name=n.USER_VALUES, type=MAP, meaning="value of each feature of the file; null where not given"),
    ),
)
