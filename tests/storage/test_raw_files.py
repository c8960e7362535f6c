"""What a log says of itself is held against what its description expects; files beside it are joined by key."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from mind.behaviours.ingest import ingest
from mind.errors import BadInput
from mind.source import FeatureFile, Source, SourceColumns
from mind.storage.raw_log import read_raw_log
from mind.tables import names as n
from tests.behaviours.shop import LAST, section, source
from tests.storage.frames import rows_of

FIELDS = "who string, what string, amount bigint"


def table(folder: Path, **columns: Any) -> str:
    given: dict[str, Any] = {"who": ["ann"], "what": ["tea"], "amount": [1], **columns}
    pq.write_table(pa.table({name: values for name, values in given.items() if values}), folder / "log.parquet")
    return str(folder / "log.parquet")


def test_a_new_column_is_noted(spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="mind"):
        read_raw_log(spark, source(fields=FIELDS), table(tmp_path, colour=["red"], size=[1]))
    assert "the log has columns that fields does not name: colour, size" in caplog.text


def test_a_changed_type_and_a_missing_column_are_errors_that_name_them(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"what is missing; amount is string, fields says bigint\. Mend the log"):
        read_raw_log(spark, source(fields=FIELDS), table(tmp_path, what=[], amount=["1"]))


def test_json_is_read_by_its_fields_and_new_keys_are_noted(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [{"who": "ann", "amount": 2**53 + 1, "colour": "red"}, {"who": "bob", "amount": "many"}]
    (tmp_path / "log.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with caplog.at_level(logging.WARNING, logger="mind"):
        frame = read_raw_log(spark, source(format="json", fields=FIELDS), str(tmp_path / "log.json"))
    assert "fields does not name: colour" in caplog.text
    found = {row["who"]: row for row in rows_of(frame)}
    assert (found["ann"]["amount"], found["ann"]["_corrupt_record"]) == (2**53 + 1, None)
    assert found["bob"]["_corrupt_record"] == json.dumps(lines[1])


def test_a_csv_with_another_header_than_its_neighbour_is_refused_by_name(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("who,what\nann,tea\n")
    (tmp_path / "b.csv").write_text("what,who\npot,bob\n")
    columns = SourceColumns(user_id="who", item_id="what", event_type="'buy'", event_time="'2024-03-01'")
    plain = {"columns": columns, "item_features": {}, "item_attributes": {}, "user_features": {}}
    shop = source(format="csv", options={"header": "true"}, fields="who string, what string", **plain)
    raw = read_raw_log(spark, shop, str(tmp_path))
    with pytest.raises(BadInput, match=r"(?s)b\.csv|a\.csv"):
        ingest(raw, shop, section(), "UTC", LAST)


def test_a_gzip_that_was_cut_fails_by_its_name(spark: SparkSession, tmp_path: Path) -> None:
    text = "".join(f"ann,item {number}\n" for number in range(20_000)).encode()
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(text)[:-2000])
    columns = SourceColumns(user_id="who", item_id="what", event_type="'buy'", event_time="'2024-12-30'")
    plain = {"columns": columns, "item_features": {}, "item_attributes": {}, "user_features": {}}
    shop = source(format="csv", fields="who string, what string", **plain)
    with pytest.raises(BadInput, match=r"cut\.csv\.gz"):
        ingest(read_raw_log(spark, shop, str(tmp_path)), shop, section(), "UTC", LAST)


def with_files(**changes: Any) -> Source:
    given: dict[str, Any] = {
        "path": "items.csv",
        "format": "csv",
        "options": {"header": "true"},
        "key": "sku",
        "prefer": "cast(version as int)",
        "columns": {"colour": "upper(colour)", "amount": "amount"},
    }
    return source(item_file=FeatureFile(**{**given, **changes}))


def items(frame: DataFrame) -> dict[str, Any]:
    return {row["what"]: row["item_file"] for row in rows_of(frame, "what", "item_file")}


def test_a_file_beside_the_log_gives_each_row_the_preferred_values_of_its_item(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "items.csv").write_text(
        "sku,colour,amount,version,what\ntea,red,1,9,x\ntea,blue,2,10,x\npot,green,,1,x\n,none,5,1,x\ntea,old,9,2,x\n"
    )
    log = table(tmp_path, who=["a", "b", "c", None], what=["tea", "pot", "é", None], amount=[1, 2, 3, 4])
    frame = read_raw_log(spark, with_files(), log)
    assert frame.count() == 4
    assert items(frame) == {
        "tea": {"colour": "BLUE", "amount": "2"},
        "pot": {"colour": "GREEN", "amount": None},
        "é": None,
        None: None,
    }
    only_red = read_raw_log(spark, with_files(where="colour = 'red'"), log)
    assert items(only_red)["tea"] == {"colour": "RED", "amount": "1"}
    assert set(rows_of(frame, n.SOURCE_FILE)[0].values()) == {"log.parquet"}


@pytest.mark.parametrize(
    "changes", [{"path": "absent.csv"}, {"key": "nothing"}, {"columns": {"colour": "nothing"}}], ids=str
)
def test_a_file_that_does_not_fit_is_refused_by_its_section(
    spark: SparkSession, tmp_path: Path, changes: dict[str, Any]
) -> None:
    (tmp_path / "items.csv").write_text("sku,colour,amount,version\ntea,red,1,9\n")
    with pytest.raises(BadInput, match=r"source shop: \[item_file\] .*(absent|nothing).*conf/sources/shop\.toml"):
        read_raw_log(spark, with_files(**changes), table(tmp_path))


def test_an_id_that_the_log_does_not_have_is_not_blamed_on_the_file(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("sku,colour,amount,version\ntea,red,1,9\n")
    wrong = with_files().model_copy(update={"columns": source().columns.model_copy(update={"item_id": "film"})})
    with pytest.raises(
        BadInput, match=r"'film' under \[columns\] does not fit the log: .*film.*conf/sources/shop\.toml"
    ):
        read_raw_log(spark, wrong, table(tmp_path))
