"""A description that does not fit its log: every wrong expression is named at once, with its key and what was meant."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from mind.behaviours.ingest import ingest
from mind.behaviours.misfits import misfits
from mind.errors import BadInput
from mind.source import SourceColumns
from tests.behaviours.shop import LAST, raw_frame, raw_row, rule, section, source


def test_every_expression_that_does_not_fit_is_named_at_once_with_its_key(spark: SparkSession) -> None:
    raw = raw_frame(spark, [raw_row()])
    wrong = source(
        columns=SourceColumns(user_id="whoo", item_id="what", event_type="lower(Kinds)", event_time="at"),
        item_attributes={"name": "title"},
        item_features={"colour": "COLOUR", "size": "upper(size"},
        refuse=(rule("robot", "user_id = 'x' and browser like '%bot%'"), rule("ours", "user_id = 'ann'")),
    )
    with pytest.raises(BadInput) as told:
        ingest(raw, wrong, section(), "UTC", LAST)
    head, *faults, last = str(told.value).splitlines()
    assert head == "source shop: its description does not fit the log:"
    assert [fault for fault in faults if "SYNTAX" not in fault] == [
        '  columns.user_id = "whoo": no such column; did you mean who?',
        '  columns.event_type = "lower(Kinds)": no column Kinds; did you mean kind?',
        '  item_attributes.name = "title": no such column',
        "  [[refuse]] robot: where = \"user_id = 'x' and browser like '%bot%'\": no column browser",
    ]
    assert [fault.split(": ")[0] for fault in faults if "SYNTAX" in fault] == ['  item_features.size = "upper(size"']
    assert last == (
        "The log's columns: who, what, kind, at, amount, colour, size, country, note. Mend conf/sources/shop.toml."
    )
    assert "SQLSTATE" not in str(told.value)
    assert "pos 0" not in str(told.value)


def test_a_description_that_fits_has_no_misfit_and_other_faults_are_told_as_before(spark: SparkSession) -> None:
    raw = raw_frame(spark, [raw_row()])
    fits = source(refuse=(rule("late", "event_time > '2024-01-01' and note is null"),))
    assert misfits(raw, fits) is None
    by_user = source(same_event=("nothing",))
    with pytest.raises(BadInput, match=r"refuse_users or same_event does not fit the accepted rows: .*nothing") as told:
        ingest(raw, by_user, section(), "UTC", LAST)
    assert "SQLSTATE" not in str(told.value)
