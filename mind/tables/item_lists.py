"""What a blocklist or an allow-list must hold. The shop writes it, we only read it, so it is no table of the lake."""

from __future__ import annotations

import pyarrow as pa

from mind.tables import names as n
from mind.tables.contract import Column, Contract

ITEM_LIST = Contract(
    name="item_list",
    grain="one item that may never be recommended (blocklist), or one that may (allow-list)",
    key=(n.ITEM_ID,),
    partition=(),
    produced_by="the shop",
    columns=(
        Column(name=n.ITEM_ID, type=pa.string(), meaning="external id of the item"),
        Column(name=n.REASON, type=pa.string(), meaning="why, for people; the column may be missing", required=False),
    ),
    format="csv, parquet, json or delta",
)
