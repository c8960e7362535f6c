"""The contracts of all tables: what is in the lake and what can be relied on."""

from __future__ import annotations

from mind.tables.behaviours import BEHAVIOURS, PROFILES, QUARANTINE
from mind.tables.catalogue import ITEMS, USERS, VOCABULARY
from mind.tables.contract import Column, Contract, ContractError, as_markdown
from mind.tables.persons import FORGOTTEN
from mind.tables.serving import (
    BY_NEIGHBOURS,
    BY_POPULARITY,
    CANDIDATES,
    ITEM_CF,
    ITEM_VECTORS,
    PUBLICATIONS,
    RECALL_SAMPLE,
    STAGED,
    USER_INTERESTS,
)
from mind.tables.tuples import CATALOGUE, TUPLES

ALL = (
    BEHAVIOURS,
    QUARANTINE,
    PROFILES,
    VOCABULARY,
    ITEMS,
    USERS,
    TUPLES,
    CATALOGUE,
    ITEM_VECTORS,
    USER_INTERESTS,
    RECALL_SAMPLE,
    STAGED,
    CANDIDATES,
    PUBLICATIONS,
    FORGOTTEN,
)
"""Every table, in the order of the night."""

__all__ = [
    "ALL",
    "BEHAVIOURS",
    "BY_NEIGHBOURS",
    "BY_POPULARITY",
    "CANDIDATES",
    "CATALOGUE",
    "FORGOTTEN",
    "ITEMS",
    "ITEM_CF",
    "ITEM_VECTORS",
    "PROFILES",
    "PUBLICATIONS",
    "QUARANTINE",
    "RECALL_SAMPLE",
    "STAGED",
    "TUPLES",
    "USERS",
    "USER_INTERESTS",
    "VOCABULARY",
    "Column",
    "Contract",
    "ContractError",
    "as_markdown",
]
