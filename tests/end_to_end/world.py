"""A small slice of the real log, a configuration for it, and a night on it by the real command lines."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.storage.lake import Lake
from mind.storage.tuple_files import read_manifest
from mind.tables import ALL

LOG = Path("data/online_retail/online_retail.parquet")
DS = date(2011, 12, 8)
BACKFILLED = [date(2011, 12, 5), date(2011, 12, 6), date(2011, 12, 7)]
"""Days before the small night that tests run again; none of them is a Sunday, on which a night would train."""
SERVING = ("ingest", "build_vocabulary", "embed_items", "embed_users", "retrieve", "publish")

CONFIG = """
[lake]
root = "{folder}/lake"

[ingest]
path = "{folder}/log"
look_back_days = 120

[tuples]
history_length = 20
train_days = 100
files = 2

[model]
dimension = 16
interests = 3
hidden_sizes = [32]

[training]
epochs = 6
batch_size = 512
negatives = 200
learning_rate = 0.005
checkpoints = "{folder}/checkpoints"

[retrieval]
candidates = 300

[tracking]
uri = "sqlite:///{folder}/mlflow/mlflow.db"
artifacts = "{folder}/mlflow/artifacts"

[report]
folder = "{folder}/report"
"""


@dataclass(frozen=True)
class World:
    """Where a small night lives."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "night.toml"

    def command(self, *words: str, ds: date = DS) -> list[str]:
        flags = ["--ds", ds.isoformat(), "--config", str(self.config)]
        return [sys.executable, "-m", "mind.launch", *words, *flags]

    def night(self, *extra: str) -> str:
        """Run the night to its end; what it printed."""
        return _finished([*self.command("night"), *extra])

    def served(self, ds: date) -> str:
        """Run what serves a day by the model that there is; what it printed."""
        return _finished(self.command("run", *SERVING, ds=ds))


def make_world(folder: Path) -> World:
    """A third of the customers, from the middle of August 2011 on, with all the dirt that is in these rows."""
    table = pq.read_table(LOG)
    recent = pc.greater_equal(table["InvoiceDate"], datetime(2011, 8, 15))
    number = pc.fill_null(pc.cast(table["CustomerID"], "int64"), 0)
    # Division drops the remainder: customers whose number is a multiple of three, and the rows of nobody.
    third = pc.equal(number, pc.multiply(pc.divide(number, 3), 3))
    (folder / "log").mkdir(parents=True)
    pq.write_table(table.filter(pc.and_(recent, third)), folder / "log" / "part-0.parquet")
    world = World(folder)
    world.config.write_text(CONFIG.format(folder=folder), encoding="utf-8")
    return world


def copy_world(world: World, folder: Path) -> World:
    """Its lake once more, for further nights; the log and the model are read where they are."""
    shutil.copytree(world.folder / "lake", folder / "lake")
    copy = World(folder)
    lake = f'root = "{world.folder}/lake"'
    config = world.config.read_text(encoding="utf-8")
    assert lake in config
    copy.config.write_text(config.replace(lake, f'root = "{folder}/lake"'), encoding="utf-8")
    return copy


def _finished(words: list[str]) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def content(spark: SparkSession, world: World) -> dict[str, str]:
    """A hash of every table's rows, whatever their order.

    Left out is what a second commit of the same rows must change: the moment of writing and Delta's version number.
    """
    lake = Lake(spark, str(world.folder / "lake"))
    found = {table.name: _hash(lake.read_or_empty(table)) for table in ALL if table.format == "delta"}
    manifest = read_manifest(lake.root, DS)
    return found | {"tuples": manifest.content, **{split: str(manifest.rows(split)) for split in manifest.splits}}


def _hash(frame: DataFrame) -> str:
    rows = (
        frame.drop("published_at", "table_version")
        .select(F.to_json(F.struct("*")).alias("row"))
        .toArrow()["row"]
        .to_pylist()
    )
    return f"{len(rows)} {hashlib.sha256(''.join(sorted(rows)).encode()).hexdigest()}"
