"""People who asked to be forgotten: what must not come back with an older version."""

from __future__ import annotations

import pyarrow as pa

from mind.tables import names as n
from mind.tables.behaviours import MOMENT
from mind.tables.contract import Column, Contract

FORGOTTEN = Contract(
    name="forgotten",
    grain="one person who was deleted on request; append-only",
    key=(n.USER_HASH,),
    partition=(),
    produced_by="forget",
    columns=(
        Column(name=n.USER_HASH, type=pa.string(), meaning="SHA-256 of user_id, hexadecimal"),
        Column(name=n.FORGOTTEN_AT, type=MOMENT, meaning="when the person was deleted", unit="UTC"),
    ),
)
