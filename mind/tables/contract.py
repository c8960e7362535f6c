"""What a table promises. Schema checks, the Delta table itself and docs/tables.md derive from it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from mind.errors import BrokenPromise


class ContractError(BrokenPromise):
    """A frame that is not what its table promises."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column. `unit` is empty where the value has none; `required` refuses nulls."""

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    required: bool = True


@dataclass(frozen=True, kw_only=True)
class Contract:
    """One table: what a row is (grain), what is unique (key), how it is cut (partition), who writes it."""

    name: str
    grain: str
    key: tuple[str, ...]
    partition: tuple[str, ...]
    produced_by: str
    columns: tuple[Column, ...]
    format: str = "delta"
    optional: tuple[Column, ...] = ()
    """Columns that are there where an option of the configuration asked for them, after the others."""

    def __post_init__(self) -> None:
        names = {column.name for column in self.columns if column.required}
        for role in (*self.key, *self.partition):
            if role not in names:
                raise ContractError(f"{self.name}: {role!r} is in its key or partition but is no required column")

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def optional_names(self) -> list[str]:
        return [column.name for column in self.optional]

    def schema(self) -> pa.Schema:
        """The Arrow schema, nullability included."""
        return pa.schema([pa.field(column.name, column.type, nullable=not column.required) for column in self.columns])

    def check_schema(self, actual: pa.Schema) -> None:
        """Raises ContractError with every missing, unexpected and mistyped column at once."""
        found = {field.name: field.type for field in actual}
        promised = {column.name: column.type for column in self.columns}
        promised |= {column.name: column.type for column in self.optional if column.name in found}
        faults = [f"missing {name} ({kind})" for name, kind in promised.items() if name not in found]
        faults += [f"unexpected {name} ({kind})" for name, kind in found.items() if name not in promised]
        faults += [
            f"{name} is {found[name]}, promised {kind}"
            for name, kind in promised.items()
            if name in found and _plain(found[name]) != _plain(kind)
        ]
        if faults:
            raise ContractError(f"table {self.name} breaks its contract: {'; '.join(faults)}")


def _plain(kind: pa.DataType) -> str:
    """A type by its meaning: the names of list elements and nullability inside do not matter."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{_plain(kind.value_type)}>"
    if pa.types.is_map(kind):
        return f"map<{_plain(kind.key_type)},{_plain(kind.item_type)}>"
    if pa.types.is_struct(kind):
        return "struct<" + ",".join(f"{field.name}:{_plain(field.type)}" for field in kind) + ">"
    return str(kind)


def as_markdown(contracts: list[Contract]) -> str:
    """The table reference: one row a table, then one row a column."""
    lines = ["| table | a row is | key | partition | written by |", "|---|---|---|---|---|"]
    for table in contracts:
        key, partition = ", ".join(table.key), ", ".join(table.partition) or "none"
        lines.append(f"| {table.name} ({table.format}) | {table.grain} | {key} | {partition} | {table.produced_by} |")
    for table in contracts:
        lines += ["", f"## {table.name}", "", "| column | type | meaning |", "|---|---|---|"]
        for column in (*table.columns, *table.optional):
            unit = f" [{column.unit}]" if column.unit else ""
            optional = "" if column.required else " (may be null)"
            lines.append(f"| {column.name} | {_plain(column.type)} | {column.meaning}{unit}{optional} |")
    return "\n".join(lines)
