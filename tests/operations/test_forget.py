"""A person is gone from every table and every file that counts; nobody else's rows move."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from mind.publishing.publication import as_json, new_publication
from mind.storage.audit import content_fingerprint
from mind.storage.lake import Lake
from mind.storage.tuple_files import read_catalogue, read_manifest
from mind.storage.tuple_forget import content_of, forget_in_tuples
from mind.tables import ALL, CANDIDATES, FORGOTTEN, PUBLICATIONS, QUARANTINE
from mind.tables import names as n
from mind.training.loader import read_split
from tests.publishing.published import lists, run_job
from tests.storage.test_tuple_files import DS as TUPLES_DS
from tests.storage.test_tuple_files import Night

DS = date(2011, 12, 8)
GONE, STAYS = "17850", "13047"


def log_row(invoice: str, customer: int | None, stock: str = "22423", minute: int = 0) -> dict[str, object]:
    return {
        "InvoiceNo": invoice,
        "StockCode": stock,
        "Description": f"CAKESTAND {GONE}",  # the same letters in another column are no person
        "Quantity": 2,
        "InvoiceDate": datetime(2011, 12, 8, 10, minute),
        "UnitPrice": 1.5,
        "CustomerID": customer,
        "Country": "United Kingdom",
    }


def write_log(folder: Path) -> None:
    schema = pq.read_schema("data/online_retail/online_retail.parquet")
    rows = [log_row("1", int(GONE)), log_row("1", int(GONE)), log_row("A2", int(GONE)), log_row("3", int(STAYS))]
    rows += [log_row("A4", int(STAYS), minute=1), log_row("5", None, minute=2)]
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "part.parquet")


def rows_with_users(lake: Lake) -> Iterator[str]:
    """Every row of every Delta table as readers see it, as JSON."""
    for table in ALL:
        if table.format == "delta" and lake.exists(table):
            held = lake.read(table).select(F.to_json(F.struct("*")).alias("row")).toArrow()["row"].to_pylist()
            yield from (f"{table.name} {row}" for row in held)


@pytest.mark.slow
def test_a_person_is_gone_from_every_table_and_stays_gone(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = Lake(spark, str(tmp_path / "lake"))
    write_log(tmp_path / "log")
    place = ("--set", f"ingest.path={tmp_path}/log", "--set", f"report.folder={tmp_path}/report")
    run_job(monkeypatch, lake, "ingest", "--ds", DS.isoformat(), "--set", "ingest.bad_row_limit=1.0", *place)
    for item in ("old", "new"):
        named = lists(lake, DS, 2, item).withColumn(n.USER_ID, F.when(F.col(n.USER_ID) == "u0", GONE).otherwise(STAYS))
        lake.replace(CANDIDATES, named, DS, DS)
        content, version = content_fingerprint(lake.read(CANDIDATES, DS)), lake.version(CANDIDATES)
        lake.add(PUBLICATIONS, lambda held, c=content, v=version: new_publication(held, DS, c, v, "7", as_json([])))
    pages = {GONE: tmp_path / "report" / "a" / "index.html", STAYS: tmp_path / "report" / "b" / "index.html"}
    for user, page in pages.items():
        page.parent.mkdir(parents=True)
        page.write_text(f"User {user}")
    before = [row for row in rows_with_users(lake) if "publications" not in row]
    refused = lake.read(QUARANTINE).count()

    run_job(monkeypatch, lake, "forget", f"--user={GONE}", *place)
    told = capsys.readouterr().out
    assert "until `mind maintain` on or after" in told
    assert f"{tmp_path}/log" in told
    after = list(rows_with_users(lake))
    persons = [row for row in before if f'"CustomerID":{GONE}' in row.replace("\\", "") or f'"user_id":"{GONE}"' in row]
    assert len(persons) == 4, "planted: a behaviour, a copy, a refused row, a list"
    new_tables = ("publications", "forgotten")
    assert sorted(row for row in after if not row.startswith(new_tables)) == sorted(set(before) - set(persons))
    assert lake.read(QUARANTINE).count() == refused - 2
    assert [page.exists() for page in pages.values()] == [False, True]
    last = lake.read(PUBLICATIONS).orderBy(n.TABLE_VERSION).collect()[-1]
    assert (last[n.ACTION], last[n.CONTENT]) == ("forget", content_fingerprint(lake.read(CANDIDATES, DS)))

    run_job(monkeypatch, lake, "rollback", "--ds", DS.isoformat())
    rows = lake.read(CANDIDATES).collect()
    assert [(row[n.USER_ID], row[n.ITEM_IDS]) for row in rows] == [(STAYS, ["old"])], "an old version brought it back"
    run_job(monkeypatch, lake, "forget", f"--user={GONE}", *place)
    assert lake.read(FORGOTTEN).count() == 1
    run_job(monkeypatch, lake, "ingest", "--ds", DS.isoformat(), "--set", "ingest.bad_row_limit=1.0", *place)
    assert not [row for row in rows_with_users(lake) if row in persons], "the raw log brought it back"


def test_a_person_is_gone_from_the_tuples_and_the_others_are_as_before(spark: SparkSession, tmp_path: Path) -> None:
    root = tmp_path / "a b"
    first = Night(spark, seed=5).write(root)
    assert content_of(spark, first) == first.content, "the fingerprint is not that of the files"
    columns = [n.USER_ID, n.ITEM_ID, n.EVENT_ID, n.HISTORY]
    before = {split: read_split(first, split, columns) for split in first.splits}
    user = before["train"][n.USER_ID][1]
    assert (root / "tuples" / f"ds={TUPLES_DS}").exists()
    stale = root / "tuples" / f"ds={TUPLES_DS - timedelta(days=1)}" / "attempt-1"
    stale.mkdir(parents=True)
    (stale / "part.parquet").write_bytes(b"the rest of a run that was stopped")

    rows = forget_in_tuples(spark, str(root), user)
    left = read_manifest(str(root), TUPLES_DS)
    assert rows == sum(int((held[n.USER_ID] == user).sum()) for held in before.values())
    assert left.content == content_of(spark, left) != first.content
    assert read_catalogue(left).equals(read_catalogue(first))
    for split, held in before.items():
        kept = held[n.USER_ID] != user
        found = read_split(left, split, columns)
        for name in columns:
            assert found[name].tolist() == held[name][kept].tolist(), (split, name)
    files = [file for file in root.rglob("*.parquet") if file.is_file()]
    assert len(files) == sum(len(files) for files in left.splits.values()) + len(left.catalogue)
    assert not [
        file for file in files if "catalogue" not in str(file) and user in pq.read_table(file)[n.USER_ID].to_pylist()
    ]
    assert not list(stale.parent.iterdir())
    assert json.loads((root / "tuples" / f"ds={TUPLES_DS}" / "manifest.json").read_text())["content"] == left.content
    assert forget_in_tuples(spark, str(root), user) == 0
