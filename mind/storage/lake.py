"""The lake: every Delta table by its contract. Jobs ask here for frames and hand frames back; nobody else writes.

A write replaces whole partitions named by a mandatory predicate, in one commit, after the frame was checked against
its contract, so a rerun gives what the run gave and a reader sees the old rows or the new ones.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

from delta.tables import DeltaTable
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.errors import BrokenPromise, MindError
from mind.storage.audit import check_rows, promised_columns
from mind.storage.leftovers import clear_leftover, strange_folder
from mind.storage.spark_schema import spark_schema
from mind.tables import Contract, ContractError

log = logging.getLogger("mind")
Result = TypeVar("Result")

ATTEMPTS = 5
CONFLICT = re.compile(
    r"DELTA_(CONCURRENT_\w+|TABLE_ALREADY_EXISTS|METADATA_CHANGED|PROTOCOL_CHANGED)|Concurrent\w+Exception"
)
HALF_MADE = re.compile(r"DELTA_(CREATE_TABLE_WITH_NON_EMPTY_LOCATION|TABLE_NOT_FOUND|MISSING_DELTA_TABLE)")
"""What Delta says to the second of two writers that make a table, while the first has its folder but no commit yet."""
PROPERTIES = {
    "delta.enableChangeDataFeed": "true",
    "delta.dataSkippingNumIndexedCols": "8",
}


class Lake:
    """The tables under one root, each also under a name of a catalog if one is given.

    catalog: `schema` or `catalog.schema`; empty: paths only. A table of a catalog is read by its name and has its files
    under the root as well: commits go there, readers without Spark find it there, and a table that was made without
    the catalog is entered into it.
    """

    def __init__(self, spark: SparkSession, root: str, catalog: str = "") -> None:
        self.spark, self.catalog = spark, catalog
        self._placed: set[str] = set()
        self.root = (root if "://" in root else str(Path(root).resolve())).rstrip("/")

    def path(self, contract: Contract) -> str:
        return f"{self.root}/{contract.name}"

    def name(self, contract: Contract) -> str:
        """What SQL calls the table."""
        if not self.catalog:
            return f"delta.`{self.path(contract)}`"
        return ".".join(f"`{part}`" for part in (*self.catalog.split("."), contract.name))

    def table(self, contract: Contract) -> DeltaTable:
        """The table for what only Delta does: history, deletes, compaction."""
        return DeltaTable.forPath(self.spark, self.path(contract))

    def exists(self, contract: Contract) -> bool:
        if not self.catalog:
            return bool(DeltaTable.isDeltaTable(self.spark, self.path(contract)))
        if self.spark.catalog.tableExists(self.name(contract)):
            self._check_place(contract)
            return True
        there = bool(DeltaTable.isDeltaTable(self.spark, self.path(contract)))
        if there:
            self._enter(contract)
        return there

    def _check_place(self, contract: Contract) -> None:
        """Raises MindError where the name stands for a table that lies elsewhere: it would be read, and not written."""
        if contract.name in self._placed:
            return
        detail = self.spark.sql(f"DESCRIBE DETAIL {self.name(contract)}").first()
        assert detail is not None
        if detail["location"].removeprefix("file://").removeprefix("file:") != self.path(contract):
            raise MindError(
                f"table {self.name(contract)} lies at {detail['location']}, lake.root wants it at "
                f"{self.path(contract)}; change lake.root or lake.catalog"
            )
        self._placed.add(contract.name)

    def _enter(self, contract: Contract) -> None:
        """Enter the table at its path into the catalog, whose schema keeps its files under the root."""
        schema = ".".join(f"`{part}`" for part in self.catalog.split("."))
        place = self.root.replace("\\", "\\\\").replace("'", "\\'")
        self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {schema} LOCATION '{place}'")
        self.spark.sql(
            f"CREATE TABLE IF NOT EXISTS {self.name(contract)} USING delta LOCATION '{place}/{contract.name}'"
        )

    def frame(self, contract: Contract, version: int | None = None) -> DataFrame:
        """The table as it is, or as it was in a version."""
        reader = self.spark.read.format("delta")
        reader = reader if version is None else reader.option("versionAsOf", version)
        return reader.table(self.name(contract)) if self.catalog else reader.load(self.path(contract))

    def read(self, contract: Contract, ds: date | None = None) -> DataFrame:
        """The table, or its rows of one `ds`.

        Raises:
            MindError: the table does not exist, or holds nothing for `ds`.
        """
        if not self.exists(contract):
            raise MindError(
                f"table {contract.name} does not exist at {self.path(contract)}; run {contract.produced_by} first"
            )
        frame = self.frame(contract) if ds is None else self.frame(contract).where(F.col("ds") == F.lit(ds))
        if ds is not None and frame.isEmpty():
            raise MindError(f"table {contract.name} has no rows for {ds}; run {contract.produced_by} --ds {ds} first")
        return frame

    def read_or_empty(self, contract: Contract) -> DataFrame:
        """The table, or no rows of its schema where it does not exist yet."""
        if self.exists(contract):
            return self.read(contract)
        return self.spark.createDataFrame([], spark_schema(contract))

    def version(self, contract: Contract) -> int:
        """The version of the table that a reader sees now."""
        return int(self.table(contract).history(1).first()["version"])

    def replace(
        self, contract: Contract, frame: DataFrame, first: date, last: date, *, may_be_empty: bool = False
    ) -> int:
        """Replace the partitions from `first` to `last` (the contract's day column) by `frame`, in one commit.

        Returns:
            Rows written.

        Raises:
            ContractError: the frame breaks its contract, or holds a day outside the range.
            BrokenPromise: the frame is empty and may not be.
        """
        if len(contract.partition) != 1:
            raise ContractError(f"table {contract.name} has no day partition; it cannot be replaced by days")
        day = contract.partition[0]
        frame = promised_columns(contract, frame).persist()
        try:
            outside = ~F.col(day).between(F.lit(first), F.lit(last))
            rows = check_rows(contract, frame, outside)
            if rows == 0 and not may_be_empty:
                raise BrokenPromise(f"table {contract.name}: no rows for {first} to {last}; refusing to empty them")
            self._create(contract)
            # Else every task that holds rows of a day writes a file of its own for it: 1,200 for a small year.
            placed = frame if first == last else frame.repartitionByRange(day, *contract.key)
            where = f"{day} >= DATE'{first.isoformat()}' AND {day} <= DATE'{last.isoformat()}'"
            self._with_retries(contract, lambda: self._overwrite(contract, placed, where))
        finally:
            frame.unpersist()
        log.info("%s: %s rows", contract.name, f"{rows:,}", extra={"table": contract.name, "rows_written": rows})
        return rows

    def add(self, contract: Contract, make: Callable[[DataFrame], DataFrame]) -> int:
        """Append what `make` derives from the table as it stands, as if nobody else wrote in between.

        Delta accepts a transaction of one application only if its number is above the last one, so of two writers that
        read the same rows one appends and the other reads again. Plain appends would both succeed and give one number
        twice. The number counts rows, which a table that is only added to never loses; versions also rise with
        commits that add nothing (OPTIMIZE), and would let a writer pass that has not read the last rows.

        Returns:
            Rows added, 0 where there was nothing to add.

        Raises:
            ContractError: the new rows break the contract.
            BrokenPromise: other writers were first every time.
        """
        self._create(contract)
        for attempt in range(1, ATTEMPTS + 1):
            read = self.version(contract)
            held = self.frame(contract, read)
            fresh = promised_columns(contract, make(held)).persist()
            try:
                rows = check_rows(contract, fresh)
                if rows == 0 or self._append_once(contract, fresh, held.count() + 1):
                    told = {"table": contract.name, "rows_written": rows}
                    log.info("%s: %s rows added", contract.name, f"{rows:,}", extra=told)
                    return rows
            finally:
                fresh.unpersist()
            log.warning("%s: another writer was first, reading again (attempt %d)", contract.name, attempt)
            time.sleep(attempt)
        raise BrokenPromise(f"table {contract.name}: other writers were first {ATTEMPTS} times; run the step again")

    def _append_once(self, contract: Contract, fresh: DataFrame, number: int) -> bool:
        """Append under a transaction number; False where another writer had taken it."""
        writer = fresh.write.format("delta").mode("append")
        writer = writer.option("txnAppId", f"add to {contract.name}").option("txnVersion", number)
        try:
            writer.save(self.path(contract))
        except PySparkException as error:
            if CONFLICT.search(str(error)):
                return False
            raise
        # A number that was taken is ignored without a word: look whether the rows arrived.
        return fresh.join(self.read(contract), list(contract.key), "left_anti").isEmpty()

    def _create(self, contract: Contract) -> None:
        if self.exists(contract):
            return
        maker = DeltaTable.createIfNotExists(self.spark).location(self.path(contract))
        maker = maker.addColumns(spark_schema(contract)).comment(contract.grain)
        maker = maker.partitionedBy(*contract.partition) if contract.partition else maker
        for key, value in PROPERTIES.items():
            maker = maker.property(key, value)
        self._with_retries(contract, maker.execute)
        if self.catalog:
            self._enter(contract)

    def _overwrite(self, contract: Contract, frame: DataFrame, where: str) -> None:
        wider = not set(contract.optional_names).isdisjoint(frame.columns)  # nights without have nulls there
        writer = frame.write.format("delta").mode("overwrite").option("replaceWhere", where)
        writer.option("mergeSchema", wider).save(self.path(contract))

    def _with_retries(self, contract: Contract, write: Callable[[], Result]) -> Result:
        """Run a write; where another writer won the race, say so and try again on the new snapshot.

        Raises:
            MindError: the table's folder holds something else than a Delta table.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return write()
            except PySparkException as error:
                half_made = HALF_MADE.search(str(error))
                conflict = half_made or CONFLICT.search(str(error))
                if not conflict:
                    raise
                if attempt == ATTEMPTS and half_made:
                    raise strange_folder(contract, self.path(contract)) from error
                if attempt == ATTEMPTS:
                    raise
                log.warning("%s: another writer was first (%s), trying again", contract.name, conflict.group(0))
                time.sleep(attempt)
                if half_made and attempt == ATTEMPTS - 1:
                    clear_leftover(self.spark, contract, self.path(contract))
        raise AssertionError("unreachable: the last attempt returns or raises")
