"""What a table promises, and that docs/tables.md says the same."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from mind.steps import JOBS
from mind.tables import ALL, CANDIDATES, Column, Contract, ContractError, as_markdown
from mind.tables import names as n

ROOT = Path(__file__).resolve().parent.parent


def table(key: tuple[str, ...] = ("user",), partition: tuple[str, ...] = ("day",)) -> Contract:
    return Contract(
        name="seen",
        grain="one user on one day",
        key=key,
        partition=partition,
        produced_by="ingest",
        columns=(
            Column(name="user", type=pa.string(), meaning="who"),
            Column(name="day", type=pa.date32(), meaning="when"),
            Column(name="times", type=pa.list_(pa.int32()), meaning="how often", unit="events"),
            Column(name="note", type=pa.string(), meaning="why", required=False),
        ),
    )


@pytest.mark.parametrize(
    ("key", "partition", "named"),
    [
        (("usr",), ("day",), "usr"),
        (("user",), ("night",), "night"),
        (("note",), (), "note"),
        (("user",), ("note",), "note"),
    ],
)
def test_a_key_or_partition_must_be_a_required_column(
    key: tuple[str, ...], partition: tuple[str, ...], named: str
) -> None:
    with pytest.raises(ContractError, match=rf"seen: '{named}'"):
        table(key, partition)


def test_all_faults_of_a_schema_are_told_at_once() -> None:
    wrong = pa.schema(
        [("user", pa.int64()), ("times", pa.list_(pa.int64())), ("extra", pa.string()), ("note", pa.string())]
    )
    with pytest.raises(ContractError) as told:
        table().check_schema(wrong)
    message = str(told.value)
    for fault in (
        "table seen",
        "missing day (date32[day])",
        "unexpected extra (string)",
        "user is int64, promised string",
        "times is list<item: int64>, promised list<item: int32>",
    ):
        assert fault in message
    assert "note" not in message


def test_names_of_list_elements_and_the_order_of_columns_do_not_matter() -> None:
    named = pa.list_(pa.field("element", pa.int32(), nullable=False))
    table().check_schema(
        pa.schema([("note", pa.string()), ("times", named), ("day", pa.date32()), ("user", pa.string())])
    )


def test_a_column_that_may_be_null_is_so_in_the_schema_and_in_words() -> None:
    assert [field.nullable for field in table().schema()] == [False, False, False, True]
    assert "| note | string | why (may be null) |" in as_markdown([table()])


def test_the_reference_names_every_table_and_column_with_its_meaning() -> None:
    text = as_markdown(list(ALL))
    for contract in ALL:
        assert f"| {contract.name} ({contract.format}) | {contract.grain} |" in text
        section = text.split(f"## {contract.name}\n")[1].split("\n## ")[0]
        rows = [line.split(" | ")[0].removeprefix("| ") for line in section.splitlines() if line.startswith("| ")][1:]
        assert rows == [*contract.column_names, *contract.optional_names]
        every = (*contract.columns, *contract.optional)
        assert all(column.meaning in section and column.unit in section for column in every)


def test_every_table_is_produced_by_a_step() -> None:
    assert {contract.produced_by for contract in ALL} <= set(JOBS)


def test_table_names_are_unique_and_columns_are_named_once() -> None:
    assert len({contract.name for contract in ALL}) == len(ALL)
    for contract in ALL:
        every = [*contract.column_names, *contract.optional_names]
        assert len(set(every)) == len(every), contract.name


def test_an_optional_column_may_be_there_and_then_has_its_type() -> None:
    tuples = next(contract for contract in ALL if contract.name == "tuples")
    assert n.HISTORY_AGES not in tuples.schema().names
    tuples.check_schema(tuples.schema())
    tuples.check_schema(tuples.schema().append(pa.field(n.HISTORY_AGES, pa.list_(pa.int8()))))
    with pytest.raises(ContractError, match=r"history_ages is list<item: int32>, promised list<item: int8>"):
        tuples.check_schema(tuples.schema().append(pa.field(n.HISTORY_AGES, pa.list_(pa.int32()))))


def test_readers_get_the_columns_that_were_audited() -> None:
    staged = next(contract for contract in ALL if contract.name == "candidates_staged")
    assert staged.columns == CANDIDATES.columns


def test_the_table_reference_says_what_the_contracts_say() -> None:
    text = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert text.count("<!-- tables -->") == text.count("<!-- /tables -->") == 1
    section = text.split("<!-- tables -->")[1].split("<!-- /tables -->")[0]
    assert section.strip() == as_markdown(list(ALL)).strip(), "run make tables"
