"""A log's profile in the terminal, and its plot."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mind.behaviours.log_profile import LogProfile

EXAMPLE_LETTERS = 200
_BAR = 40
COLOUR = "#0f6e84"


def show_profile(found: LogProfile, name: str, folder: Path, bad_row_limit: float) -> Path:
    """Print the profile and draw it; returns where the plot is."""
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(name, style="bold")
    console.print(_facts(found, bad_row_limit))
    for title, numbers in (
        ("refused rows by reason", found.refused),
        ("behaviours by type", found.event_types),
        ("behaviours without a value", found.missing),
        ("users by number of behaviours", found.users_by_length),
    ):
        if numbers:
            console.print(_bars(title, numbers))
    if found.examples:
        table = Table("", "", title="a refused row of each reason", title_justify="left", box=None, show_header=False)
        for reason in found.refused:
            table.add_row(reason, found.examples[reason][:EXAMPLE_LETTERS])
        console.print(table)
    if found.removed_users:
        table = Table("user", "reason", "rows", title="users removed", title_justify="left", box=None)
        for user, reason, rows in found.removed_users:
            table.add_row(user, reason, f"{rows:,}")
        console.print(table)
    folder.mkdir(parents=True, exist_ok=True)
    plot = folder / f"{name}.png"
    plot.write_bytes(_plot(found))
    console.print(f"plot: {plot}")
    return plot


def _facts(found: LogProfile, bad_row_limit: float) -> Table:
    table = Table.grid(padding=(0, 2))
    lengths = ", ".join(f"{share:.0%} {length:,}" for share, length in found.history_lengths.items())
    copies = sum(found.refused.get(reason, 0) for reason in ("duplicate", "same_event"))
    for label, value in (
        ("rows", f"{found.rows:,}: {found.accepted:,} accepted, {found.rows - found.accepted:,} refused"),
        ("bad rows", f"{found.bad:,} ({found.bad / found.rows:.2%}), {_verdict(found, bad_row_limit)}"),
        ("duplicates", f"{copies:,}"),
        ("users", f"{found.users:,}"),
        ("items", f"{found.items:,}"),
        ("from", f"{found.first:%Y-%m-%d %H:%M:%S} UTC"),
        ("to", f"{found.last:%Y-%m-%d %H:%M:%S} UTC"),
        ("ties", f"{found.ties:,} ({found.ties / found.accepted:.1%}) at the moment of an earlier one of their user"),
        ("behaviours of a user", f"quantiles {lengths}"),
    ):
        table.add_row(label, value)
    return table


def _verdict(found: LogProfile, limit: float) -> str:
    stops = "a night would stop" if found.bad > limit * found.rows else "a night stops"
    return f"{stops} above {limit:.2%} of the days that it writes (ingest.bad_row_limit)"


def _bars(title: str, numbers: dict[str, int]) -> Table:
    table = Table("", "", "", title=title, title_justify="left", box=None, show_header=False)
    top = max(*numbers.values(), 1)
    for label, number in numbers.items():
        table.add_row(label, f"{number:,}", "#" * round(_BAR * number / top))
    return table


def _plot(found: LogProfile) -> bytes:
    """Behaviours by day, and users by number of behaviours."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), layout="constrained")
    days, lengths = figure.subplots(1, 2)
    days.fill_between(list(found.behaviours_by_day), list(found.behaviours_by_day.values()), color=COLOUR, step="mid")
    days.set_title("behaviours by day", fontsize=9)
    days.tick_params(axis="x", labelrotation=30)
    lengths.bar(list(found.users_by_length), list(found.users_by_length.values()), color=COLOUR)
    lengths.set_title("users by number of behaviours", fontsize=9)
    lengths.tick_params(axis="x", labelrotation=60)
    for axes in (days, lengths):
        axes.tick_params(labelsize=7)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    return drawn.getvalue()
