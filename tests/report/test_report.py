"""The night in words: whatever a product or a user is called, it stays text."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mind.report.facts import Interest, NightFacts, Person
from mind.report.page import render, write_page
from mind.report.summary import print_summary

EVIL = "<script>alert('x')</script> & \"JAR\" [bold red]"
CUTOFFS = (10, 50)
METRICS = {
    "test_rows": 1234.0,
    "test_hit_rate_at_10": 0.1111,
    "test_hit_rate_at_50": 0.5555,
    "popularity_hit_rate_at_10": 0.0222,
    "popularity_hit_rate_at_50": 0.0666,
}


def facts(**changes: Any) -> NightFacts:
    told: dict[str, Any] = {
        "ds": "2011-12-08",
        "rows": {"behaviours": 392692, "quarantine": 0},
        "quarantined": {"no_customer": 135080},
        "targets": {"behaviours": 77, "above_limit": 5, "kept": {"train": 3}},
        "metrics": METRICS,
        "curves": {"loss": [3.0, 2.0], "validation HitRate@50": [0.1, 0.2]},
        "model_version": "7",
        "gates": [
            {"name": "lists", "value": 9.0, "rule": "must be at least 1", "passed": True},
            {"name": "coverage", "value": 0.01, "rule": "must be at least <0.05", "passed": False},
        ],
        "users_by_interests": {1: 10, 2: 20},
        "people": [
            Person(
                user_id=f"user {EVIL}",
                behaviours=17,
                recent=[f"recent {EVIL}"],
                interests=[
                    Interest(because_of=[(f"because {EVIL}", 0.9)], candidates=[(1, f"shown {EVIL}", 0.75)]),
                    Interest(because_of=[("PLAIN MUG", 0.6)], candidates=[]),
                ],
            )
        ],
        "places": {"tables": f"/lake {EVIL}", "report": "/build/report/index.html"},
    }
    return NightFacts(**(told | changes))


class Page(HTMLParser):
    """The tags and the visible text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_names_from_the_data_are_text_and_never_markup() -> None:
    html = render(facts(), CUTOFFS)
    page = Page(html)
    assert "script" not in page.tags
    assert "<script" not in html
    for place in ("user", "recent", "because", "shown", "/lake"):
        assert f"{place} {EVIL}" in page.text, place
    assert "must be at least <0.05" in page.text


def test_the_page_needs_nothing_else() -> None:
    page = Page(render(facts(), CUTOFFS))
    assert page.tags.count("img") == 4
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert not {"link", "iframe"} & set(page.tags)


def test_the_page_says_what_was_counted_and_what_failed() -> None:
    page = Page(render(facts(), CUTOFFS))
    for said in (
        "The night of 2011-12-08",
        "Model version 7",
        "392,692",
        "above limit",
        "17 behaviours routed",
        "failed",
    ):
        assert said in page.text
    assert "nothing: other interests score its items higher" in page.text


def test_a_night_without_metrics_curves_gates_or_people_still_has_a_page() -> None:
    empty = facts(metrics={}, curves={}, gates=[], people=[], quarantined={}, users_by_interests={})
    page = Page(render(empty, CUTOFFS))
    assert "The champion was not evaluated on this night." in page.text
    assert "No curves." in page.text


def test_a_page_replaces_the_one_before_and_leaves_no_part_behind(tmp_path: Path) -> None:
    write_page(facts(model_version="6"), CUTOFFS, tmp_path)
    written = write_page(facts(), CUTOFFS, tmp_path)
    assert written == tmp_path / "2011-12-08" / "index.html"
    assert "Model version 7" in written.read_text(encoding="utf-8")
    assert list(written.parent.iterdir()) == [written]


def test_the_summary_prints_names_as_they_are_and_the_measures(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(facts(), CUTOFFS)
    told = capsys.readouterr().out
    flat = " ".join(told.split())
    for place in ("user", "recent", "because", "shown", "/lake"):
        assert f"{place} {EVIL}" in flat, place
    for said in ("392,692", "no_customer 135,080", "1,234 targets", "0.1111", "0.5555", "0.0222", "0.0666"):
        assert said in flat
    assert "Model version 7; 1 of 2 gates passed." in flat
    assert "nothing: other interests score its items higher" in flat
    mind, popular = (
        next(line for line in told.splitlines() if line.startswith(name)) for name in ("MIND", "popularity")
    )
    assert mind.split()[1:] == ["0.1111", "0.5555"]
    assert popular.split()[1:] == ["0.0222", "0.0666"]


def test_the_summary_of_a_night_without_evaluation_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(facts(metrics={}, quarantined={}, people=[], gates=[]), CUTOFFS)
    told = capsys.readouterr().out
    assert "The champion was not evaluated on this night." in told
    assert "HitRate@" not in told
    assert "Quarantined" not in told


@pytest.mark.parametrize("name", ["back\\slash\\", "[/bold]", "[link=x]", "tab\\[x]", "emoji :smile:"])
def test_a_name_that_looks_like_markup_of_the_terminal_is_printed_as_it_is(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    person = Person(
        user_id=name, behaviours=1, recent=[name], interests=[Interest(because_of=[(name, 1.0)], candidates=[])]
    )
    print_summary(facts(people=[person]), CUTOFFS)
    told = capsys.readouterr().out
    assert f"User {name}  (1 behaviours routed)" in told
    assert f"lately: {name}\n" in told
    assert f"mostly from: {name} (1.00)" in told
