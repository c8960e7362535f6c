"""What a Delta table needs beside reads and writes: its past, fewer files, and an end of what nobody needs any more."""

from __future__ import annotations

import logging
from datetime import date

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from mind.errors import MindError, first_line, told_by_spark
from mind.storage.lake import Lake
from mind.tables import ALL, Contract

log = logging.getLogger("mind")

KEPT_FOR = ("delta.deletedFileRetentionDuration", "delta.logRetentionDuration")
"""How long VACUUM spares a file that the table uses no more, and how far back versions are known."""


def rows_at(lake: Lake, contract: Contract, version: int, ds: date) -> DataFrame:
    """The rows of `ds` as they were in a version of the table, read to their end.

    Raises:
        MindError: the version is not there any more.
    """
    try:
        old = lake.frame(contract, version)
        rows = old.where(F.col("ds") == F.lit(ds)).persist()
        rows.count()
    except (PySparkException, Py4JJavaError) as error:
        raise MindError(
            f"version {version} of table {contract.name} cannot be read any more: "
            f"{told_by_spark(error) or 'its files are gone'} What is older than maintenance.retention_days was "
            "vacuumed. Choose a later publication, or run the night again."
        ) from error
    return rows


def delete(lake: Lake, contract: Contract, column: str, values: list[str]) -> int:
    """Delete the rows whose `column` is one of the values, in one commit; the number of rows.

    Earlier versions hold them until VACUUM.
    """
    table = lake.table(contract)
    rows = int(table.toDF().where(F.col(column).isin(values)).count())
    if rows:
        lake._with_retries(contract, lambda: table.delete(F.col(column).isin(values)))
    log.info("%s: %s rows deleted", contract.name, f"{rows:,}", extra={"table": contract.name, "rows_deleted": rows})
    return rows


def maintain(lake: Lake, first: date, last: date, retention_days: int) -> list[str]:
    """Compact the files of the days `first` to `last` in every Delta table, and vacuum what is too old.

    No row changes. A table whose turn fails is named in the log and left for the next time.

    Returns:
        The names of the tables that failed.
    """
    failed = []
    for contract in ALL:
        if contract.format != "delta" or not lake.exists(contract):
            continue
        try:
            _maintain(lake, contract, first, last, retention_days)
        except (PySparkException, Py4JJavaError) as error:
            # Another writer, a full disk: the night is published and stays so.
            reason = told_by_spark(error) or first_line(error)
            log.warning("%s: maintenance left out: %s", contract.name, reason, extra={"table": contract.name})
            failed.append(contract.name)
    return failed


def _maintain(lake: Lake, contract: Contract, first: date, last: date, retention_days: int) -> None:
    table = lake.table(contract)
    keep(lake, contract, retention_days)
    whole = table.optimize()
    if contract.partition:
        day = contract.partition[0]
        whole = whole.where(f"{day} >= DATE'{first.isoformat()}' AND {day} <= DATE'{last.isoformat()}'")
    found = whole.executeCompaction().select("metrics.numFilesRemoved", "metrics.numFilesAdded").first()
    assert found is not None
    table.vacuum(24.0 * retention_days)
    log.info("%s: %d files became %d", contract.name, *found, extra={"table": contract.name})


def keep(lake: Lake, contract: Contract, retention_days: int) -> None:
    """Let the table spare what it replaced for so many days; no commit where it does already."""
    place, due = lake.name(contract), f"interval {retention_days} days"
    held = {row["key"]: row["value"] for row in lake.spark.sql(f"SHOW TBLPROPERTIES {place}").collect()}
    if any(held.get(name) != due for name in KEPT_FOR):
        pairs = ", ".join(f"'{name}' = '{due}'" for name in KEPT_FOR)
        lake.spark.sql(f"ALTER TABLE {place} SET TBLPROPERTIES ({pairs})")
