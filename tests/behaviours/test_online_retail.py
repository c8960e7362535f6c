"""The bundled source on real rows, counted a second time with pandas."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from mind.behaviours.ingest import Ingested, ingest
from mind.behaviours.standing import standing
from mind.source import load_source
from mind.storage.raw_log import read_raw_log
from mind.tables import names as n
from tests.behaviours.shop import section
from tests.storage.frames import rows_of

LOG = Path("data/online_retail/online_retail.parquet")
PRODUCT = re.compile(r"([0-9]{5}[A-Z]*|DCGS[0-9A-Z]+)")


@pytest.fixture(scope="module")
def lines() -> pd.DataFrame:
    """Some 2,000 lines: two stretches of the log, and every kind of line that is rare."""
    log = pd.read_parquet(LOG)
    code = log.StockCode.str.strip().str.upper()
    rare = [
        log[log.InvoiceNo.str.startswith("A")],
        log[log.InvoiceNo.str.startswith("C")].head(150),
        log[~code.str.fullmatch(PRODUCT)].iloc[::25],
        log[log.CustomerID.isna()].head(60),
        log[(log.UnitPrice <= 0) & log.CustomerID.notna()].head(20),
        log[(log.Quantity <= 0) & ~log.InvoiceNo.str.startswith("C")].head(20),
        log[log.StockCode.str.contains("[a-z]") & log.CustomerID.notna()].head(40),
        log[log.duplicated(keep=False)].head(60),
        log[log.CustomerID == 15311].head(500),  # buys much and cancels some of it
    ]
    return pd.concat([log.iloc[:600], log.iloc[230_000:230_400], *rare], ignore_index=True)


@pytest.fixture(scope="module")
def night(spark: SparkSession, lines: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    log = tmp_path_factory.mktemp("retail") / "lines.parquet"
    lines.to_parquet(log)
    source = load_source("online_retail")
    whole = section(source=source.name, bad_row_limit=0.01)
    return ingest(read_raw_log(spark, source, str(log)), source, whole, "UTC", date(2011, 12, 31))


def reason_of(line: pd.Series) -> str | None:
    if not (line.InvoiceNo.startswith("C") or line.InvoiceNo[0].isdigit()):
        return "bookkeeping"
    if pd.isna(line.CustomerID):
        return "no_customer"
    if not PRODUCT.fullmatch(line.StockCode.strip().upper()):
        return "not_a_product"
    if not line.InvoiceNo.startswith("C") and line.Quantity <= 0:
        return "quantity_not_positive"
    if not line.InvoiceNo.startswith("C") and line.UnitPrice <= 0:
        return "free_of_charge"
    return None


@pytest.fixture(scope="module")
def accepted(lines: pd.DataFrame) -> pd.DataFrame:
    """The lines that no rule refuses, each once."""
    return lines[lines.apply(reason_of, axis=1).isna()].drop_duplicates()


def test_every_line_is_counted_once_by_its_reason(night: Ingested, lines: pd.DataFrame) -> None:
    reasons = lines.apply(reason_of, axis=1)
    expected = reasons.value_counts().to_dict()
    expected["duplicate"] = int(lines[reasons.isna()].duplicated().sum())
    kinds = {"bookkeeping", "no_customer", "not_a_product", "free_of_charge", "duplicate"}
    assert kinds <= set(expected), "the slice lost a kind of line that it is there for"
    assert night.refused == expected
    assert night.rows == len(lines)
    assert night.accepted == len(lines) - sum(expected.values())


def test_accepted_lines_say_who_bought_what_when(night: Ingested, accepted: pd.DataFrame) -> None:
    when = accepted.InvoiceDate.dt.tz_localize("Europe/London").dt.tz_convert("UTC")
    kind = accepted.InvoiceNo.str.startswith("C").map({True: "cancellation", False: "purchase"})
    codes = accepted.StockCode.str.strip().str.upper()
    expected = sorted(
        zip(accepted.CustomerID.astype(str), codes, kind, when, accepted.Quantity.abs().astype(float), strict=True)
    )
    fields = (n.USER_ID, n.ITEM_ID, n.EVENT_TYPE, n.EVENT_TIME, n.QUANTITY)
    found = rows_of(night.behaviours, *fields)
    assert sorted(tuple(row[name] for name in fields) for row in found) == expected


def test_features_come_from_the_line(night: Ingested, accepted: pd.DataFrame) -> None:
    found = rows_of(night.behaviours, n.ITEM_ID, n.ITEM_VALUES, n.USER_VALUES, n.ITEM_ATTRIBUTES)
    by_item = {row[n.ITEM_ID]: row for row in found}
    assert by_item["85123A"][n.ITEM_VALUES] == {"category": "HOLDER", "range": "851"}
    assert by_item["85123A"][n.ITEM_ATTRIBUTES] == {"name": "WHITE HANGING HEART T-LIGHT HOLDER"}
    assert {row[n.USER_VALUES]["country"] for row in found} == set(accepted.Country)


def test_cancelled_lines_do_not_stand(night: Ingested, accepted: pd.DataFrame) -> None:
    """A count of open lines is reference enough: which of two equal purchases was undone does not change it."""
    kept: DataFrame = standing(night.behaviours, load_source("online_retail"))
    open_lines: dict[tuple, int] = {}
    ordered = accepted.assign(undoes=accepted.InvoiceNo.str.startswith("C")).sort_values(["InvoiceDate", "undoes"])
    for line in ordered.itertuples():
        key = (line.CustomerID, line.StockCode.strip().upper(), abs(line.Quantity))
        if not line.undoes:
            open_lines[key] = open_lines.get(key, 0) + 1
        elif open_lines.get(key):
            open_lines[key] -= 1
    purchases = int((~ordered.undoes).sum())
    assert kept.count() == sum(open_lines.values())
    assert kept.count() < purchases, "the slice lost its cancelled lines"
