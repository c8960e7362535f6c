"""A share of a table's rows that is the same on every run."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

_HASHES = 1_000_000


def sampled(key: str, wanted: int, held: int) -> Column:
    """Whether a row is among about `wanted` of the `held` rows, by a hash of the column `key`."""
    return F.pmod(F.xxhash64(key), F.lit(_HASHES)) < int(_HASHES * min(1.0, wanted / max(held, 1)))
