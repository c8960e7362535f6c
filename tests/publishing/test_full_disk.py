"""A disk that fills up while a night is written: readers keep what they had, and the same write works once it fits."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from mind.errors import told_of_full_disk
from mind.storage.lake import Lake
from mind.storage.plain_delta import read_plainly
from mind.tables import CANDIDATES
from mind.tables import names as n
from tests.publishing.published import lists, seen

DS = date(2011, 12, 8)
SIZE_MB = 4


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes, where the user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def long_lists(lake: Lake) -> DataFrame:
    """Lists of about three times the disk's size, of ids that nothing compresses."""
    ids = F.transform(F.sequence(F.lit(1), F.lit(1000)), lambda place: F.sha2(F.concat(n.USER_ID, place), 256))
    return lists(lake, DS, 300).withColumn(n.ITEM_IDS, ids)


def test_a_full_disk_moves_nothing_and_the_next_write_succeeds(spark: SparkSession, small_disk: Path) -> None:
    lake = Lake(spark, str(small_disk / "lake"))
    lake.replace(CANDIDATES, lists(lake, DS, 40, "old"), DS, DS)
    with pytest.raises(Exception, match="No space left on device") as failed:
        lake.replace(CANDIDATES, long_lists(lake), DS, DS)
    assert told_of_full_disk(failed.value) is not None
    assert seen(lake) == {f"{DS} old": 40}
    assert {row[n.USER_ID] for row in read_plainly(lake.root, CANDIDATES).to_pylist()} == {f"u{u}" for u in range(40)}
    subprocess.run(["mount", "-o", f"remount,size={16 * SIZE_MB}m", str(small_disk)], check=True)
    lake.replace(CANDIDATES, lists(lake, DS, 30, "new"), DS, DS)
    assert seen(lake) == {f"{DS} new": 30}
