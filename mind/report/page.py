"""The night as one HTML file that needs nothing else: no network, no script."""

from __future__ import annotations

import logging
from html import escape
from pathlib import Path

from mind.report import night_sections, quality
from mind.report.facts import NightFacts
from mind.report.style import STYLE

log = logging.getLogger("mind")


def write_page(facts: NightFacts, folder: Path) -> Path:
    """Write `<folder>/<ds>/index.html`, whole or not at all; return its path."""
    place = folder / facts.ds
    place.mkdir(parents=True, exist_ok=True)
    part = place / ".index.html.part"
    part.write_text(render(facts, people=True), encoding="utf-8")
    return part.replace(place / "index.html")


def remove_pages(folder: str, user_id: str) -> list[Path]:
    """Delete the pages that name a user; `report` makes them anew without. The files deleted.

    The copies in MLflow name nobody (`render` without people), so they may stay.
    """
    pages = [page for page in Path(folder).glob("*/index.html") if escape(user_id) in page.read_text(encoding="utf-8")]
    for page in pages:
        page.unlink()
        log.info("%s deleted: it names the person; run report for its night again", page)
    return pages


def render(facts: NightFacts, *, people: bool) -> str:
    """The page; every text from the data is escaped.

    Args:
        people: with the users in words, their routing weights and interests; without, nothing on it is about one user.
    """
    sections = [
        ("methods", "Methods compared", quality.methods(facts)),
        ("verdicts", "Champion and challengers", quality.rules(facts)),
        ("gates", "Gates", quality.gates(facts)),
        ("training", "Training", quality.training(facts)),
        ("coverage", "Coverage and popularity", quality.coverage(facts)),
        ("rows", "Rows", night_sections.funnel(facts)),
        ("users", "Histories and interests", night_sections.users(facts)),
        ("map", "Map of the items", night_sections.map_of_items(facts, people=people)),
    ]
    if people and facts.people:
        told = "".join(night_sections.person(person) for person in facts.people)
        sections += [("routing", "Routing", night_sections.routing(facts)), ("people", "Users in words", told)]
    sections += [
        ("times", "Time by step", night_sections.timings(facts)),
        ("places", "Where things are", night_sections.places(facts)),
    ]
    links = "".join(f'<a href="#{key}">{title}</a>' for key, title, _ in sections)
    body = "".join(f'<section id="{key}"><h2>{title}</h2>{text}</section>' for key, title, text in sections)
    without = "" if people else "<p>The page in the report folder also explains some users.</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>MIND {escape(facts.ds)}</title><style>{STYLE}</style></head><body>{_head(facts)}"
        f"<main><nav>{links}</nav>{body}</main><footer>{without}</footer></body></html>"
    )


def _head(facts: NightFacts) -> str:
    """The headline: published or not, by which model, how much better than popularity."""
    failed = [gate for gate in facts.gates if not gate["passed"]]
    gain = quality.gain_over_popularity(facts)
    status = (
        '<span class="pill good">Published</span>' if facts.published else '<span class="pill bad">Not published</span>'
    )
    headline = escape(facts.served_by)
    if gain is not None:
        headline += f" finds {100 * abs(gain):.0f} % {'more' if gain >= 0 else 'less'} than popularity"
    if facts.published:
        at = facts.publication["published_at"][:16]
        lead = f"Readers see this night: {escape(facts.publication['action'])} at {escape(at)} UTC, table version "
        lead += f"{escape(facts.publication['table_version'])} of candidates."
    else:
        lead = "Readers do not see this night; they keep the last one that was published."
    return (
        f'<header><div class="eyebrow">The night of {escape(facts.ds)} {status}</div><h1>{headline}</h1>'
        f'<p class="lead">{lead}</p><div class="tiles">{_tiles(facts, len(failed))}</div></header>'
    )


def _tiles(facts: NightFacts, failed: int) -> str:
    at = facts.main_cutoff
    main, coverage = facts.metrics.get(f"test_hit_rate_at_{at}"), facts.metrics.get(f"test_coverage_at_{at}")
    popular = facts.metrics.get(f"popularity_hit_rate_at_{at}")
    tiles = {
        f"HitRate@{at}, MIND": None if main is None else f"{main:.4f}",
        f"HitRate@{at}, popularity": None if popular is None else f"{popular:.4f}",
        "users with candidates": f"{facts.rows['candidates']:,}" if "candidates" in facts.rows else None,
        f"of the catalogue in a first {at}": None if coverage is None else f"{100 * coverage:.0f} %",
        "gates passed": f"{len(facts.gates) - failed} of {len(facts.gates)}" if facts.gates else None,
    }
    return "".join(
        f'<div class="tile"><b>{value}</b><span>{label}</span></div>' for label, value in tiles.items() if value
    )
