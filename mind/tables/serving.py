"""What a night computes for readers: vectors, interests, candidates, and the record of what was published."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from mind.tables import names as n
from mind.tables.behaviours import MOMENT
from mind.tables.contract import Column, Contract
from mind.tables.tuples import AGES

FLOATS = pa.list_(pa.float32())

ITEM_CF = "item_cf"
"""Model version of a night that no model served, and origin of its lists from item neighbours."""
BY_POPULARITY, BY_NEIGHBOURS = -1, -2
"""Interest of origin of a place that no interest gave."""

_DAY = Column(name=n.DS, type=pa.date32(), meaning="the night")
_USER = Column(name=n.USER_ID, type=pa.string(), meaning="external id of the user")
_VERSION = Column(name=n.MODEL_VERSION, type=pa.string(), meaning="version in the MLflow registry")
_CHECKSUM = Column(name=n.MODEL_CHECKSUM, type=pa.string(), meaning="SHA-256 of the model's weights")
_SERVED_BY = Column(
    name=n.MODEL_VERSION,
    type=pa.string(),
    meaning="version in the MLflow registry; item_cf: no model, lists from item neighbours",
)
_SERVED_CHECKSUM = Column(
    name=n.MODEL_CHECKSUM,
    type=pa.string(),
    meaning="SHA-256 of the model's weights; for item_cf of the settings in [item_cf]",
)

ITEM_VECTORS = Contract(
    name="item_vectors",
    grain="one item that the model can recommend on that night",
    key=(n.DS, n.ITEM_ID),
    partition=(n.DS,),
    produced_by="embed_items",
    columns=(
        _DAY,
        Column(name=n.ITEM_ID, type=pa.string(), meaning="external id of the item"),
        Column(name=n.VECTOR, type=FLOATS, meaning="e_i, D long, normalised if the model is"),
        _VERSION,
        _CHECKSUM,
    ),
)

USER_INTERESTS = Contract(
    name="user_interests",
    grain="one user with a usable history on that night",
    key=(n.DS, n.USER_ID),
    partition=(n.DS,),
    produced_by="embed_users",
    columns=(
        _DAY,
        _USER,
        Column(
            name=n.INTERESTS,
            type=pa.list_(FLOATS),
            meaning="V_u: K' vectors of D; inactive ones are not here",
        ),
        Column(name=n.INTEREST_COUNT, type=pa.int32(), meaning="K'_u", unit="interests"),
        Column(
            name=n.HISTORY,
            type=pa.list_(pa.int32()),
            meaning="Iu that was routed: item indexes, oldest first",
        ),
        Column(name=n.HISTORY_LENGTH, type=pa.int32(), meaning="behaviours in that history", unit="events"),
        Column(name=n.PROFILE, type=pa.list_(pa.int32()), meaning="Pu that was used"),
        _VERSION,
        _CHECKSUM,
    ),
    optional=(replace(AGES, required=False),),
)

_CANDIDATES = (
    _DAY,
    _USER,
    Column(
        name=n.ITEM_IDS,
        type=pa.list_(pa.string()),
        meaning="external item ids, best first; rank 1 is the first",
    ),
    Column(
        name=n.SCORES,
        type=FLOATS,
        meaning="max over interests of v_k . e_i; share of behaviours for fallback; for item_cf the sum over the last "
        "behaviours of recency_decay^age * similarity, 0 where popularity filled the list up",
    ),
    Column(
        name=n.INTEREST_OF_ORIGIN,
        type=pa.list_(pa.int32()),
        meaning="interest that gave the score; -1 popularity (fallback, what fills up item_cf), -2 item neighbours",
    ),
    Column(name=n.ORIGIN, type=pa.string(), meaning="how the list was made: model, item_cf, or fallback (popular)"),
    Column(name=n.SHORTFALL, type=pa.string(), meaning="why the list is shorter than asked for", required=False),
    _SERVED_BY,
    _SERVED_CHECKSUM,
    Column(name=n.INDEX_CHECKSUM, type=pa.string(), meaning="fingerprint of the catalogue that was searched"),
)

STAGED = Contract(
    name="candidates_staged",
    grain="one user on one night, not yet audited; no reader opens it",
    key=(n.DS, n.USER_ID),
    partition=(n.DS,),
    produced_by="retrieve",
    columns=_CANDIDATES,
)

RECALL_SAMPLE = Contract(
    name="recall_sample",
    grain="one user of the fixed sample on one night; none where nothing was searched (item_cf)",
    key=(n.DS, n.USER_ID),
    partition=(n.DS,),
    produced_by="retrieve",
    columns=(
        _DAY,
        _USER,
        Column(name=n.RECALL, type=pa.float64(), meaning="share of the exact list that the index found", unit="0 to 1"),
        Column(name=n.INDEX_KIND, type=pa.string(), meaning="exact, ivf or hnsw"),
        _VERSION,
        _CHECKSUM,
        Column(name=n.INDEX_CHECKSUM, type=pa.string(), meaning="fingerprint of the catalogue that was searched"),
    ),
)

CANDIDATES = Contract(
    name="candidates",
    grain="one user on one published night",
    key=(n.DS, n.USER_ID),
    partition=(n.DS,),
    produced_by="publish",
    columns=_CANDIDATES,
)

PUBLICATIONS = Contract(
    name="publications",
    grain="one change of what readers of a night see",
    key=(n.PUBLICATION_ID,),
    partition=(),
    produced_by="publish",
    columns=(
        Column(name=n.PUBLICATION_ID, type=pa.string(), meaning="the night and the fingerprint of its content"),
        _DAY,
        Column(name=n.ACTION, type=pa.string(), meaning="publish, rollback or forget (a person was deleted)"),
        Column(name=n.CONTENT, type=pa.string(), meaning="fingerprint of the published rows, order-free"),
        Column(name=n.TABLE_VERSION, type=pa.int64(), meaning="Delta version of candidates that readers see"),
        Column(name=n.REPLACES, type=pa.string(), meaning="publication that readers saw before", required=False),
        Column(name=n.GATES, type=pa.string(), meaning="verdict of each gate: value, rule, passed", unit="JSON"),
        _SERVED_BY,
        Column(name=n.PUBLISHED_AT, type=MOMENT, meaning="when the record was written", unit="UTC"),
    ),
)
