"""A raw log is read with the name of each row's file, or refused with what to change."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from mind.errors import BadInput
from mind.storage.raw_log import read_raw_log
from mind.tables import names as n
from tests.behaviours.shop import source
from tests.storage.frames import rows_of


def test_rows_come_with_the_file_that_held_them(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('who,what\nann,"tea, green"\nbob,pot\n')
    (tmp_path / "é.csv").write_text("who,what\ncem,日本\n")
    (tmp_path / "a+b 50%.csv").write_text("who,what\ndan,cup\n")
    found = rows_of(read_raw_log(spark, source(format="csv", options={"header": "true"}), str(tmp_path)))
    assert sorted((row["who"], row["what"], row[n.SOURCE_FILE]) for row in found) == [
        ("ann", "tea, green", "a.csv"),
        ("bob", "pot", "a.csv"),
        ("cem", "日本", "é.csv"),
        ("dan", "cup", "a+b 50%.csv"),
    ]


@pytest.mark.parametrize("content", [None, "", "this is no Parquet file"], ids=["missing", "empty", "text"])
def test_a_log_that_is_none_is_refused_by_its_name(spark: SparkSession, tmp_path: Path, content: str | None) -> None:
    log = tmp_path / "log.parquet"
    if content is not None:
        log.write_text(content)
    with pytest.raises(BadInput, match=r"source shop: .*log\.parquet.*cannot be read as parquet.*Set ingest\.path"):
        read_raw_log(spark, source(), str(log))


def test_an_empty_folder_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read as parquet"):
        read_raw_log(spark, source(), str(tmp_path))
