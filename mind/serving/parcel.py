"""A folder on its way to Spark's workers: they may be on other machines and see none of the driver's files."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from pathlib import Path

from pyspark import SparkFiles
from pyspark.sql import SparkSession


def send(spark: SparkSession, folder: Path, kind: str) -> str:
    """Send a folder's files to every worker; the name under which `received` finds them there.

    The name holds a checksum of the files, so a worker cannot meet an older folder of the same kind.
    """
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        digest.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()} ".encode())
    name = f"{kind}-{digest.hexdigest()[:16]}"
    # Steps share an application, and a cluster refuses one name from two places.
    if any(f"/{name}.zip" in sent for sent in spark.sparkContext.listArchives):
        return name
    # addFile refuses local folders on a cluster; an archive travels everywhere and is unpacked on arrival. Workers
    # fetch it with their first task, so it must stay as long as the application.
    scratch = tempfile.mkdtemp(prefix="mind-")
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    archive = shutil.make_archive(f"{scratch}/{name}", "zip", folder)
    spark.sparkContext.addArchive(f"{archive}#{name}")
    return name


def received(name: str) -> Path:
    """The folder on this worker."""
    return Path(SparkFiles.get(name))
