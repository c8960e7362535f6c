"""The night as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import logging
from html import escape
from pathlib import Path

from mind.redaction import redacted
from mind.report import plots
from mind.report.facts import NightFacts, Person

log = logging.getLogger("mind")

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: .5rem 0 } td, th { padding: .15rem .8rem .15rem 0; text-align: left }
td.n { text-align: right; font-variant-numeric: tabular-nums } img { max-width: 100% }
.fail { color: #b00020; font-weight: 600 } .quiet { color: #666 } h2 { margin-top: 2rem }
"""


def write_page(facts: NightFacts, cutoffs: tuple[int, ...], folder: Path) -> Path:
    """Write `<folder>/<ds>/index.html`, whole or not at all; return its path."""
    place = folder / facts.ds
    place.mkdir(parents=True, exist_ok=True)
    part = place / ".index.html.part"
    part.write_text(render(facts, cutoffs), encoding="utf-8")
    return part.replace(place / "index.html")


def remove_pages(folder: str, user_id: str) -> list[Path]:
    """Delete the pages that name a user; `report` makes them anew without. The files deleted."""
    pages = [page for page in Path(folder).glob("*/index.html") if escape(user_id) in page.read_text(encoding="utf-8")]
    for page in pages:
        page.unlink()
        log.info("%s deleted: it names the person; run report for its night again", page)
    return pages


def render(facts: NightFacts, cutoffs: tuple[int, ...]) -> str:
    """The page; every text from the data is escaped."""
    parts = [
        f"<h1>The night of {escape(facts.ds)}</h1>",
        f"<p>Model version {escape(facts.model_version)}.</p>",
        "<h2>How good</h2>",
        _picture(plots.hit_rates(facts.metrics, cutoffs), "HitRate of MIND and of popularity")
        if facts.metrics
        else "<p>The champion was not evaluated on this night.</p>",
        "<h2>Training</h2>",
        _picture(plots.training(facts.curves), "metrics by epoch") if facts.curves else "<p>No curves.</p>",
        "<h2>Gates</h2>",
        _gates(facts),
        "<h2>Rows</h2>",
        _table(facts.rows),
        "<h3>Refused rows by reason</h3>",
        _picture(plots.counts(facts.quarantined, "rows"), "refused rows by reason"),
        "<h3>Targets</h3>",
        _table({name.replace("_", " "): rows for name, rows in facts.targets.items() if isinstance(rows, int)}),
        "<h2>Users by number of interests</h2>",
        _picture(
            plots.counts({str(count): users for count, users in facts.users_by_interests.items()}, "users"),
            "users by number of interests",
        ),
        "<h2>Users in words</h2>",
        *[_person(person) for person in facts.people],
        "<h2>Where things are</h2>",
        "<table>",
        *[
            f"<tr><td>{escape(name)}</td><td><code>{escape(redacted(at))}</code></td></tr>"
            for name, at in facts.places.items()
        ],
        "</table>",
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>MIND {escape(facts.ds)}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _picture(png: bytes, text: str) -> str:
    return f'<img alt="{escape(text)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _table(numbers: dict[str, int]) -> str:
    rows = [f'<tr><td>{escape(name)}</td><td class="n">{value:,}</td></tr>' for name, value in numbers.items()]
    return f"<table>{''.join(rows)}</table>"


def _gates(facts: NightFacts) -> str:
    rows = [
        f"<tr><td>{escape(gate['name'])}</td><td class='n'>{gate['value']:g}</td><td>{escape(gate['rule'])}</td>"
        f"<td>{'passed' if gate['passed'] else '<span class=fail>failed</span>'}</td></tr>"
        for gate in facts.gates
    ]
    return f"<table><tr><th>gate</th><th>value</th><th>rule</th><th></th></tr>{''.join(rows)}</table>"


def _person(person: Person) -> str:
    interests = []
    for number, interest in enumerate(person.interests, start=1):
        because = ", ".join(f"{escape(name)} ({weight:.2f})" for name, weight in interest.because_of)
        shown = ", ".join(f"#{rank} {escape(name)} ({score:.2f})" for rank, name, score in interest.candidates)
        interests.append(
            f"<li>interest {number}, mostly from {because}<br><span class=quiet>would see: "
            f"{shown or 'nothing: other interests score its items higher'}</span></li>"
        )
    return (
        f"<h3>User {escape(person.user_id)}</h3><p>{person.behaviours} behaviours routed; lately: "
        f"{escape(', '.join(person.recent))}</p><ol>{''.join(interests)}</ol>"
    )
