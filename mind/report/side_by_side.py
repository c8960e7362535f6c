"""Champion and challengers side by side, in the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 110
SHOWN = re.compile(r"^(hit_rate|ndcg|mrr|coverage|gini)(_at_\d+)?$|^capsule_|^size_bytes$|^latency_")
"""Measures with a row in the table; the run in MLflow has them all."""


def print_comparison(kept: Mapping[str, Any]) -> None:
    """One column a version, one row a measure; then the rules of each challenger with value, limit and verdict.

    Args:
        kept: what `promotion.record` gives.
    """
    console = Console(width=WIDTH, highlight=False, emoji=False)
    # A line of its own, for a table breaks a title that is wider than itself.
    console.print(f"{kept['ds']}: {kept['rows']:,} test rows, tuples {kept['tuples']}", soft_wrap=True, markup=False)
    console.print(_measures(kept))
    for number, verdict in kept["verdicts"].items():
        rules = Table("rule", "value", "", "limit", "", title=f"Version {number}", title_justify="left", box=None)
        for rule in verdict["rules"]:
            rules.add_row(rule["name"], number_of(rule["value"]), rule["says"], number_of(rule["limit"]), _mark(rule))
        console.print(rules)


def _measures(kept: Mapping[str, Any]) -> Table:
    titles = {name: _title(name, kept["champion"]) for name in kept["metrics"]}
    table = Table("", *titles.values(), box=None, pad_edge=False)
    for name in shown(kept["metrics"].values()):
        table.add_row(name, *[number_of(measured.get(name)) for measured in kept["metrics"].values()])
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _mark(rule: Mapping[str, Any]) -> str:
    if rule["limit"] is None:  # it does not apply
        return "-"
    return "passed" if rule["passed"] else "FAILED"


def _title(name: str, champion: str | None) -> str:
    if not name.isdecimal():
        return name
    return f"version {name}" + (" (champion)" if name == champion else "")


def shown(measured: Iterable[Mapping[str, float]]) -> list[str]:
    """The names of the measures that have a row, in the order in which they first come."""
    return list(dict.fromkeys(name for held in measured for name in held if SHOWN.match(name)))


def number_of(value: float | None) -> str:
    """A number for people; an empty text where there is none."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}"
