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
    """The tables under one root."""

    def __init__(self, spark: SparkSession, root: str) -> None:
        self.spark = spark
        self.root = (root if "://" in root else str(Path(root).resolve())).rstrip("/")

    def path(self, contract: Contract) -> str:
        return f"{self.root}/{contract.name}"

    def exists(self, contract: Contract) -> bool:
        return bool(DeltaTable.isDeltaTable(self.spark, self.path(contract)))

    def read(self, contract: Contract, ds: date | None = None) -> DataFrame:
        """The table, or its rows of one `ds`.

        Raises:
            MindError: the table does not exist, or holds nothing for `ds`.
        """
        if not self.exists(contract):
            raise MindError(
                f"table {contract.name} does not exist at {self.path(contract)}; run {contract.produced_by} first"
            )
        frame = self.spark.read.format("delta").load(self.path(contract))
        if ds is None:
            return frame
        frame = frame.where(F.col("ds") == F.lit(ds))
        if frame.isEmpty():
            raise MindError(f"table {contract.name} has no rows for {ds}; run {contract.produced_by} --ds {ds} first")
        return frame

    def read_or_empty(self, contract: Contract) -> DataFrame:
        """The table, or no rows of its schema where it does not exist yet."""
        if self.exists(contract):
            return self.read(contract)
        return self.spark.createDataFrame([], spark_schema(contract))

    def version(self, contract: Contract) -> int:
        """The version of the table that a reader sees now."""
        return int(DeltaTable.forPath(self.spark, self.path(contract)).history(1).first()["version"])

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
            held = self.spark.read.format("delta").option("versionAsOf", read).load(self.path(contract))
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

    def _overwrite(self, contract: Contract, frame: DataFrame, where: str) -> None:
        writer = frame.write.format("delta").mode("overwrite").option("replaceWhere", where)
        writer.save(self.path(contract))

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
                    raise self._strange_folder(contract) from error
                if attempt == ATTEMPTS:
                    raise
                log.warning("%s: another writer was first (%s), trying again", contract.name, conflict.group(0))
                time.sleep(attempt)
                if half_made and attempt == ATTEMPTS - 1:
                    self._clear_leftover(contract)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _strange_folder(self, contract: Contract) -> MindError:
        return MindError(
            f"table {contract.name}: {self.path(contract)} holds files but no Delta table; move them away, or set "
            "lake.root to another place"
        )

    def _clear_leftover(self, contract: Contract) -> None:
        """Remove the log folder of a writer that was killed before its first commit; Delta never would."""
        assert self.spark.sparkContext._jvm is not None
        path = self.spark.sparkContext._jvm.org.apache.hadoop.fs.Path(self.path(contract))
        files = path.getFileSystem(self.spark.sparkContext._jsc.hadoopConfiguration())
        commits = path.suffix("/_delta_log")
        names = [status.getPath().getName() for status in files.listStatus(path)]
        if names == ["_delta_log"] and not any(
            status.getPath().getName()[0].isdigit() for status in files.listStatus(commits)
        ):
            log.warning("%s: removing the empty log that a killed writer left", contract.name)
            files.delete(commits, True)
