"""Each shipped source description reads its log as its publisher wrote it, from a few rows in the original layout."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from mind.behaviours.days import EVER
from mind.behaviours.parse import parse
from mind.source import SOURCES, load_source
from mind.storage.raw_log import read_raw_log
from mind.tables import names as n
from tests.behaviours.shop import source
from tests.storage.frames import rows_of

ROOT = Path(__file__).resolve().parent.parent.parent


def read(spark: SparkSession, name: str, log: Path) -> list[dict[str, Any]]:
    described = load_source(name, ROOT / SOURCES)
    return rows_of(parse(read_raw_log(spark, described, str(log)), described, "UTC", *EVER))


def told(rows: list[dict[str, Any]]) -> dict[tuple[str, str, str], datetime]:
    """The time of each accepted behaviour by user, item and type."""
    return {
        (row[n.USER_ID], row[n.ITEM_ID], row[n.EVENT_TYPE]): row[n.EVENT_TIME] for row in rows if row[n.REASON] is None
    }


def refused(rows: list[dict[str, Any]]) -> dict[str, int]:
    reasons = [row[n.REASON] for row in rows if row[n.REASON] is not None]
    return {reason: reasons.count(reason) for reason in reasons}


def values(rows: list[dict[str, Any]], column: str, of: str) -> dict[str, dict[str, Any]]:
    """The values in a map column by user or item, of accepted behaviours."""
    return {row[of]: row[column] for row in rows if row[n.REASON] is None}


def moment(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


def test_taobao(spark: SparkSession, tmp_path: Path) -> None:
    log = tmp_path / "UserBehavior.csv"
    log.write_text(
        "1,2268318,2520377,pv,1511544070\n1,2333346,2520771,buy,1511561733\n1,5,6,cart,1512316799\n"
        "100,1,2,pv,-2134949234\n100,3,2,pv,1512316800\n100,9,2,fav\n100,9,2,wish,1511561733\n"
        + "".join(f"7,{item},1,pv,1511600000\n" for item in range(1001))
    )
    rows = read(spark, "taobao", log)
    assert told(rows) == {
        ("1", "2268318", "pv"): moment(2017, 11, 24, 17, 21, 10),
        ("1", "2333346", "buy"): moment(2017, 11, 24, 22, 15, 33),
        ("1", "5", "cart"): moment(2017, 12, 3, 15, 59, 59),
    }
    assert refused(rows) == {"outside_the_period": 2, "unreadable_row": 1, "unknown_event_type": 1, "robot": 1001}
    assert values(rows, n.ITEM_VALUES, n.ITEM_ID)["5"] == {"category": "6"}
    assert {row[n.USER_ID] for row in rows if row[n.REASON] == "robot"} == {"7"}


def test_tmall(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "user_info_format1.csv").write_text("user_id,age_range,gender\n328862,6,1\n234512,0,2\n9,,\n")
    log = tmp_path / "user_log_format1.csv"
    log.write_text(
        "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type\n"
        "328862,323294,833,2882,2661.0,829,0\n328862,844400,1271,2882,,0511,2\n234512,575153,1271,2882,1,1111,3\n"
        "9,1,1,1,1,0230,1\n9,2,1,1,1,11111,1\n9,3,1,1,1,1112,4\n4,8,1,1,1,511,1\n328862,323294,833,2882,2661.0,829,0\n"
    )
    rows = read(spark, "tmall", log)
    assert told(rows) == {
        ("328862", "323294", "click"): moment(2014, 8, 28, 16),
        ("328862", "844400", "buy"): moment(2014, 5, 10, 16),
        ("234512", "575153", "favourite"): moment(2014, 11, 10, 16),
        ("4", "8", "cart"): moment(2014, 5, 10, 16),
    }
    assert refused(rows) == {"unreadable_time": 2, "unknown_event_type": 1, "duplicate": 1}
    assert values(rows, n.USER_VALUES, n.USER_ID) == {
        "328862": {"age": "6", "gender": "1"},
        "234512": {"age": None, "gender": None},
        "4": {"age": None, "gender": None},
    }
    assert values(rows, n.ITEM_VALUES, n.ITEM_ID)["844400"] == {"category": "1271", "seller": "2882", "brand": None}


def test_amazon_2014(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "ratings_Books.csv").write_text("AH2L9G3DQHHAJ,0000000116,4.0,1019865600\nA2I,0000000868,x,1\n")
    products: list[dict[str, Any]] = [
        {
            "asin": "0000000116",
            "title": "It's \"None\" of True's: [a, 'b'] \\ é 日本",
            "price": 9.5,
            "categories": [["Books", "Children's Books"], ["Toys"]],
            "related": {"also_bought": ["1", "2"], "bought_together": None},
            "digital": True,
        }
    ]
    with gzip.open(tmp_path / "meta_Books.json.gz", "wt", encoding="utf-8") as out:
        out.writelines(f"{product}\n" for product in products)
    rows = read(spark, "amazon_2014", tmp_path / "ratings_Books.csv")
    assert told(rows) == {("AH2L9G3DQHHAJ", "0000000116", "review"): moment(2002, 4, 27)}
    assert refused(rows) == {"unknown_event_type": 1}
    item = "0000000116"
    expected = {"brand": None, "department": "Books", "category": "Children's Books"}
    assert values(rows, n.ITEM_VALUES, n.ITEM_ID)[item] == expected
    assert values(rows, n.ITEM_ATTRIBUTES, n.ITEM_ID)[item] == {"name": products[0]["title"]}


def test_amazon_2018(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "Books.csv").write_text(
        "0001713353,A1C6M8LCIX4M6M,5.0,1123804800\n0001713353,A1C6M8LCIX4M6M,4.0,1123804801\n"
    )
    meta = [
        {"asin": "0001713353", "brand": "Dr. Seuss", "category": ["Books", "Children's"], "price": "$9"},
        {"asin": "0001713353", "brand": "", "category": []},
    ]
    (tmp_path / "meta_Books.json.gz").write_bytes(_gzipped(meta))
    rows = read(spark, "amazon_2018", tmp_path / "Books.csv")
    assert list(told(rows)) == [("A1C6M8LCIX4M6M", "0001713353", "review")]
    assert refused(rows) == {"same_event": 1}
    assert values(rows, n.ITEM_VALUES, n.ITEM_ID) == {
        "0001713353": {"brand": "Dr. Seuss", "department": "Books", "category": "Children's"}
    }


def _gzipped(rows: list[dict[str, Any]]) -> bytes:
    return gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())


def test_amazon_2023(spark: SparkSession, tmp_path: Path) -> None:
    reviews = [
        {"rating": 5.0, "title": "T", "asin": "B1", "parent_asin": "P1", "user_id": "AE", "timestamp": 1588687728923},
        {"rating": 1.0, "asin": "B2", "user_id": "AF", "timestamp": 1588687728924, "verified_purchase": True},
    ]
    torn = b'{"rating": 4.0, "asin": "B3", "user_id": "AG", "times\n'
    (tmp_path / "Books.jsonl.gz").write_bytes(_gzipped(reviews) + gzip.compress(torn))
    meta = [{"parent_asin": "P1", "store": "Penguin", "main_category": "Books", "categories": [], "details": {"x": 1}}]
    (tmp_path / "meta_Books.jsonl.gz").write_bytes(_gzipped(meta))
    rows = read(spark, "amazon_2023", tmp_path / "Books.jsonl.gz")
    assert told(rows) == {
        ("AE", "P1", "review"): moment(2020, 5, 5, 14, 8, 48, 923_000),
        ("AF", "B2", "review"): moment(2020, 5, 5, 14, 8, 48, 924_000),
    }
    assert refused(rows) == {"unreadable_row": 1}
    assert values(rows, n.ITEM_VALUES, n.ITEM_ID)["P1"] == {
        "store": "Penguin",
        "department": "Books",
        "category": None,
    }


def test_movielens_1m(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "movies.dat").write_text(
        "1::Toy Story (1995)::Animation|Children's|Comedy\n73::Misérables, Les (1995)::Drama|Musical\n"
        '9::"Eight" 8½ (1963)::Drama\n',
        encoding="latin-1",
    )
    (tmp_path / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::70072\n")
    log = tmp_path / "ratings.dat"
    log.write_text("1::1::5::978300760\n2::73::3::978302109\n2::9::3::978302109\n2::1::9::978302109\n3::77::1\n")
    rows = read(spark, "movielens_1m", log)
    assert told(rows) == {
        ("1", "1", "rating"): moment(2000, 12, 31, 22, 12, 40),
        ("2", "73", "rating"): moment(2000, 12, 31, 22, 35, 9),
        ("2", "9", "rating"): moment(2000, 12, 31, 22, 35, 9),
    }
    assert refused(rows) == {"unknown_event_type": 1, "unreadable_row": 1}
    assert values(rows, n.ITEM_ATTRIBUTES, n.ITEM_ID) == {
        "1": {"name": "Toy Story (1995)"},
        "73": {"name": "Misérables, Les (1995)"},
        "9": {"name": '"Eight" 8½ (1963)'},
    }
    features = values(rows, n.ITEM_VALUES, n.ITEM_ID)
    assert features["1"] == {
        "genre": "Animation",
        "second_genre": "Children's",
        "genres": "Animation|Children's|Comedy",
        "decade": "199",
    }
    assert features["9"] == {"genre": "Drama", "second_genre": None, "genres": "Drama", "decade": "196"}
    assert values(rows, n.USER_VALUES, n.USER_ID)["2"] == {"gender": "M", "age": "56", "occupation": "16"}


def test_movielens_25m(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "movies.csv").write_text(
        'movieId,title,genres\n5,"Great ""Gatsby"", The (2013)",Drama|Action\n6,Nameless,(no genres listed)\n'
    )
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,5,0.5,1147880044\n1,6,4.0,1147880045\n")
    rows = read(spark, "movielens_25m", tmp_path / "ratings.csv")
    assert told(rows)[("1", "5", "rating")] == moment(2006, 5, 17, 15, 34, 4)
    features = values(rows, n.ITEM_VALUES, n.ITEM_ID)
    assert features["5"]["genres"] == "Action|Drama"
    assert features["5"]["decade"] == "201"
    assert set(features["6"].values()) == {None}
    assert values(rows, n.ITEM_ATTRIBUTES, n.ITEM_ID)["5"] == {"name": 'Great "Gatsby", The (2013)'}


def test_retailrocket(spark: SparkSession, tmp_path: Path) -> None:
    header = "timestamp,itemid,property,value\n"
    (tmp_path / "item_properties_part1.csv").write_text(f"{header}1435460400000,460429,categoryid,1338\n")
    (tmp_path / "item_properties_part2.csv").write_text(
        f"{header}1432460400000,460429,categoryid,7\n1431460400000,460429,790,n5 n6\n"
    )
    (tmp_path / "events.csv").write_text(
        "timestamp,visitorid,event,itemid,transactionid\n1433221332117,257597,view,460429,\n"
        "1433221999827,992329,transaction,248676,4000\n"
    )
    rows = read(spark, "retailrocket", tmp_path / "events.csv")
    assert told(rows) == {
        ("257597", "460429", "view"): moment(2015, 6, 2, 5, 2, 12, 117_000),
        ("992329", "248676", "transaction"): moment(2015, 6, 2, 5, 13, 19, 827_000),
    }
    assert values(rows, n.ITEM_VALUES, n.ITEM_ID) == {"460429": {"category": "7"}, "248676": {"category": None}}


def test_amazon_beauty(spark: SparkSession, tmp_path: Path) -> None:
    items = {"item_id": [1, 2], "asin": ["B0", "B1"], "brand": ["OPI", None]}
    items |= {"category_top": ["Makeup", "Skin"], "category_leaf": ["Nails", "Face"]}
    pq.write_table(pa.table(items), tmp_path / "items.parquet")
    events = {"user_id": [1, 1], "item_id": [1, 2], "timestamp": [0, 1]}
    pq.write_table(pa.table(events), tmp_path / "interactions.parquet")
    rows = read(spark, "amazon_beauty", tmp_path / "interactions.parquet")
    assert told(rows) == {("1", "1", "review"): moment(1970, 1, 1), ("1", "2", "review"): moment(1970, 1, 1, 0, 0, 1)}
    assert values(rows, n.ITEM_VALUES, n.ITEM_ID)["2"] == {"brand": None, "department": "Skin", "category": "Face"}


@pytest.mark.parametrize("kind", ["parquet", "csv", "json", "delta"])
def test_any_table_with_named_columns(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    given = [("é 1", "tea", "view", "2024-03-01T10:00:00+01:00"), ("é 1", "pot", "buy", "2024-03-01 10:00:00.5")]
    frame = spark.createDataFrame(given, "user_id string, item_id string, event_type string, event_time string")
    frame.write.format(kind).option("header", "true").save(str(tmp_path / "log"))
    template = load_source("shop_table", ROOT / SOURCES).model_dump() | {"format": kind, "options": {"header": "true"}}
    described = source(**template)
    rows = rows_of(parse(read_raw_log(spark, described, str(tmp_path / "log")), described, "UTC", *EVER))
    assert told(rows) == {
        ("é 1", "tea", "view"): moment(2024, 3, 1, 9),
        ("é 1", "pot", "buy"): moment(2024, 3, 1, 10, 0, 0, 500_000),
    }
