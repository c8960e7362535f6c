"""The night in the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import date, timedelta

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mind.redaction import redacted
from mind.report.facts import NightFacts, Person

WIDTH = 110


def print_summary(facts: NightFacts, cutoffs: tuple[int, ...], configured_by: Sequence[str] = ()) -> None:
    """Rows, refusals, HitRate beside popularity, users in words, where things are, what to try next.

    Args:
        configured_by: `Run.configured_by` of the night.
    """
    console = Console(width=WIDTH, highlight=False, emoji=False)
    console.rule(f"[bold]The night of {facts.ds}")
    console.print(_rows(facts))
    if facts.quarantined:
        told = ", ".join(f"{reason} {count:,}" for reason, count in facts.quarantined.items())
        console.print(f"Quarantined by reason: {told}")
    console.print()
    if facts.by_model:
        console.print(_hits(facts, cutoffs) if facts.metrics else "The champion was not evaluated on this night.")
    passed = sum(bool(gate["passed"]) for gate in facts.gates)
    console.print(f"{facts.served_by}; {passed} of {len(facts.gates)} gates passed.\n")
    for person in facts.people:
        _person(console, person)
    console.print("[bold]Where things are[/bold]")
    for name, place in facts.places.items():
        console.print(f"  {name:<14} {redacted(place)}", soft_wrap=True, markup=False)
    console.print("\n[bold]What to try next[/bold]")
    for text in _next_steps(facts, configured_by):
        console.print(f"  {text}", soft_wrap=True, markup=False)


def _next_steps(facts: NightFacts, configured_by: Sequence[str]) -> tuple[str, ...]:
    following = _night(date.fromisoformat(facts.ds) + timedelta(days=1), configured_by)
    if not facts.by_model:
        return (
            "open the report in a browser",
            f'{following}   the next night, when its log is there; with retrieval.method = "champion" it trains',
        )
    return (
        "open the report in a browser",
        f".venv/bin/mlflow ui --backend-store-uri {redacted(facts.places['MLflow store'])}   compare the runs",
        f"{following}   the next night, when its log is there: the champion is challenged, the tables move on",
        "your own log: docs/tutorial.md",
    )


def _night(ds: date, configured_by: Sequence[str]) -> str:
    """The command of a night that is configured alike; make takes one file and nothing else."""
    if len(configured_by) == 2 and configured_by[0] == "--config":
        return f"make night DS={ds} CONFIG={shlex.quote(configured_by[1])}"
    words = [".venv/bin/python", "-m", "mind.launch", "night", "--ds", str(ds), *configured_by]
    return redacted(shlex.join(words))


def _rows(facts: NightFacts) -> Table:
    table = Table("table", "rows", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for name, rows in facts.rows.items():
        table.add_row(name, f"{rows:,}")
    return table


def _hits(facts: NightFacts, cutoffs: tuple[int, ...]) -> Table:
    rows = int(facts.metrics["test_rows"])
    # A champion that was evaluated under an earlier configuration may lack a cutoff.
    cutoffs = tuple(at for at in cutoffs if f"test_hit_rate_at_{at}" in facts.metrics)
    title = f"Test days, {rows:,} targets ranked among all items that compete"
    table = Table("", *[f"HitRate@{at}" for at in cutoffs], title=title, title_justify="left", box=None, pad_edge=False)
    for name, prefix in (("MIND", "test"), ("popularity", "popularity")):
        # Popularity is measured with every evaluation, a champion of an earlier night may lack it.
        keys = [f"{prefix}_hit_rate_at_{at}" for at in cutoffs]
        if all(key in facts.metrics for key in keys):
            table.add_row(name, *[f"{facts.metrics[key]:.4f}" for key in keys])
    return table


def print_listed(user_id: str, first: list[tuple[str, float]]) -> None:
    """One user whose list came from item neighbours: names and scores of the first candidates."""
    console = Console(width=WIDTH, highlight=False, emoji=False)
    console.print(f"[bold]User {escape(user_id)}[/bold]  served by item neighbours (item-CF), no interests")
    shown = ", ".join(f"#{rank} {name} ({score:.2f})" for rank, (name, score) in enumerate(first, start=1))
    console.print(f"     would see: {shown or 'nothing'}", markup=False)


def print_person(person: Person | None, user_id: str) -> None:
    """One user in words; without a person: one who has no usable history."""
    console = Console(width=WIDTH, highlight=False, emoji=False)
    if person is None:
        console.print(f"[bold]User {escape(user_id)}[/bold]  no usable history: gets the popular list")
    else:
        _person(console, person)


def print_standing(item_id: str, told: str) -> None:
    """Where an item stands for a user."""
    Console(width=WIDTH, highlight=False, emoji=False).print(f"Item {item_id}: {told}", soft_wrap=True, markup=False)


def _person(console: Console, person: Person) -> None:
    console.print(f"[bold]User {escape(person.user_id)}[/bold]  ({person.behaviours} behaviours routed)")
    console.print(f"  lately: {', '.join(person.recent)}", markup=False)
    for number, interest in enumerate(person.interests, start=1):
        because = ", ".join(f"{name} ({weight:.2f})" for name, weight in interest.because_of)
        console.print(f"  interest {number}, mostly from: {because}", markup=False)
        shown = ", ".join(f"#{rank} {name} ({score:.2f})" for rank, name, score in interest.candidates)
        console.print(f"     would see: {shown or 'nothing: other interests score its items higher'}", markup=False)
    console.print()
