"""Published nights on real tables, and the operations on them by their own jobs, in the session of the tests."""

from __future__ import annotations

import runpy
import sys
from datetime import date

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from mind.publishing.gates import Gate
from mind.publishing.publication import as_json, new_publication
from mind.storage.audit import content_fingerprint
from mind.storage.lake import Lake
from mind.tables import CANDIDATES, PUBLICATIONS
from mind.tables import names as n

GATES = as_json([Gate(name="lists", value=2.0, rule="must be at least 1", passed=True)])


def lists(lake: Lake, ds: date, users: int, item: str = "a") -> DataFrame:
    """One list of one item for each of the users u0, u1, ..."""
    return lake.spark.range(users).select(
        F.lit(ds).alias(n.DS),
        F.concat(F.lit("u"), "id").alias(n.USER_ID),
        F.array(F.lit(item)).alias(n.ITEM_IDS),
        F.array(F.lit(0.5).cast("float")).alias(n.SCORES),
        F.array(F.lit(0)).alias(n.INTEREST_OF_ORIGIN),
        F.lit("model").alias(n.ORIGIN),
        F.lit(None).cast("string").alias(n.SHORTFALL),
        *[F.lit("7").alias(name) for name in (n.MODEL_VERSION, n.MODEL_CHECKSUM, n.INDEX_CHECKSUM)],
    )


def publish(lake: Lake, ds: date, users: int, item: str = "a") -> str:
    """Commit and record lists as jobs/publish.py does; the publication's id."""
    lake.replace(CANDIDATES, lists(lake, ds, users, item), ds, ds)
    content = content_fingerprint(lake.read(CANDIDATES, ds))
    version = lake.version(CANDIDATES)
    lake.add(PUBLICATIONS, lambda held: new_publication(held, ds, content, version, "7", GATES))
    return last_id(lake)


def last_id(lake: Lake) -> str:
    return str(lake.read(PUBLICATIONS).orderBy(F.desc(n.PUBLISHED_AT)).first()[n.PUBLICATION_ID])


def seen(lake: Lake) -> dict[str, int]:
    """Lists that readers see, by night and item."""
    rows = lake.read(CANDIDATES).groupBy(n.DS, F.col(n.ITEM_IDS)[0].alias("item")).count().collect()
    return {f"{row[n.DS]} {row['item']}": row["count"] for row in rows}


def run_job(monkeypatch: pytest.MonkeyPatch, lake: Lake, name: str, *words: str) -> None:
    """Run a job as the launcher does, but in this process."""
    argv = [f"jobs/{name}.py", *words, "--set", f"lake.root={lake.root}", "--set", f"logs.folder={lake.root}/logs"]
    monkeypatch.setattr(sys, "argv", argv)
    runpy.run_path(f"jobs/{name}.py", run_name="__main__")
