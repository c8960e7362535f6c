"""The night in words: whatever a product or a user is called, it stays text."""

from __future__ import annotations

import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mind.report.charts import line
from mind.report.facts import Interest, Person
from mind.report.item_map import ItemMap
from mind.report.page import remove_pages, render, write_page
from mind.report.side_by_side import print_comparison
from mind.report.summary import print_summary
from tests.report.night_facts import COMPARISON, CUTOFFS, EVIL, METRICS, RULE, facts


class Page(HTMLParser):
    """The tags and the visible text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.told: list[str] = []
        """What the pictures say to a screen reader."""
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        given = dict(attrs)
        if given.get("role") == "img" or tag == "svg":
            self.told.append(given.get("aria-label") or "")
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


SECTIONS = {
    "methods": "MIND, version 7, serving",
    "verdicts": "worse <by far>",
    "gates": "must be at least <0.05",
    "training": "capsule cosine, last 0.6",
    "coverage": "a user's list that was there the night before",
    "rows": "527,772",
    "users": "4 to 7",
    "map": "31 % of their variance",
    "routing": "behaviour, by interest12",
    "people": "17 behaviours routed",
    "times": "1 min 15 s",
    "places": "/build/report/index.html",
}
OF_PEOPLE = ("routing", "people")


def test_names_from_the_data_are_text_and_never_markup() -> None:
    html = render(facts(), people=True)
    page = Page(html)
    assert "script" not in page.tags
    assert "<script" not in html
    for place in ("user", "recent", "because", "shown", "routed", "/lake"):
        assert f"{place} {EVIL}" in page.text, place
    assert "must be at least <0.05" in page.text


def test_every_section_is_there_and_says_its_part() -> None:
    html = render(facts(), people=True)
    assert re.findall(r'<section id="(\w+)">', html) == list(SECTIONS)
    assert re.findall(r'<a href="#(\w+)">', html) == list(SECTIONS)
    for section, said in SECTIONS.items():
        text = html.partition(f'<section id="{section}">')[2].partition("</section>")[0]
        assert said in Page(text).text, section


@pytest.mark.parametrize("people", [True, False])
def test_the_page_is_well_formed_and_needs_nothing_else(people: bool) -> None:
    html = render(facts(), people=people)
    page = Page(html)
    assert page.open == [], "a tag was not closed"
    assert all(source.startswith("#") for source in page.sources)
    assert not {"link", "iframe", "script", "object", "img"} & set(page.tags)
    assert "url(" not in html
    assert not re.search(r"https?://", html)
    assert all(page.told), "a picture says nothing to who cannot see it"
    assert page.told
    assert len(html.encode()) < 3_000_000


def test_a_page_of_many_items_stays_small() -> None:
    cloud = [(float(step % 97), float(step % 89)) for step in range(2000)]
    html = render(facts(item_map=ItemMap(items=cloud, explained=0.2)), people=True)
    assert len(html.encode()) < 200_000


def test_the_copy_for_mlflow_says_nothing_of_any_person() -> None:
    html = render(facts(), people=False)
    page = Page(html)
    assert re.findall(r'<section id="(\w+)">', html) == [name for name in SECTIONS if name not in OF_PEOPLE]
    for told in ("recent", "because", "shown", "routed"):
        assert f"{told} {EVIL}" not in page.text
    assert f"user {EVIL}" not in page.text
    assert "stars are" not in page.text, "the interests of a user are on the map"


def test_the_headline_is_the_nights_outcome() -> None:
    page = Page(render(facts(), people=True))
    assert "Model version 7 finds 734 % more than popularity" in page.text
    for said in ("The night of 2011-12-08 Published", "table version 12", "2 of 3", "392,692", "above limit", "failed"):
        assert said in page.text, said
    assert "nothing: other interests score its items higher" in page.text
    assert "users with, by interest123" in page.text
    assert "2 interests0.620.38" in page.text
    assert "3 interests0.500.250.25" in page.text
    worse = METRICS | {"test_hit_rate_at_50": 0.0333}
    assert "finds 50 % less than popularity" in Page(render(facts(metrics=worse), people=True)).text


def test_a_night_of_which_nothing_is_known_still_has_a_page() -> None:
    empty = facts(
        metrics={},
        curves={},
        gates=[],
        people=[],
        quarantined={},
        users_by_interests={},
        history_lengths={},
        publication={},
        comparison=None,
        item_map=None,
        interest_shares={},
        seconds={},
        ingested={},
    )
    page = Page(render(empty, people=True))
    assert page.open == []
    for said in (
        "The champion was not evaluated on this night.",
        "No curves.",
        "Not published",
        "Readers do not see this night",
        "No challenger was compared",
        "Too few items",
    ):
        assert said in page.text, said


def test_a_night_without_a_model_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    night = facts(model_version="item_cf", metrics={}, curves={}, people=[], comparison=None, item_map=None)
    page = Page(render(night, people=True))
    print_summary(night, CUTOFFS)
    told = " ".join(capsys.readouterr().out.split())
    for text in (page.text, told):
        assert "Item neighbours (item-CF), no model" in text
        assert "hampion was not" not in text
        assert "Model version" not in text
    assert "No model served this night, and none was compared." in page.text
    assert 'with retrieval.method = "champion" it trains' in told


@pytest.mark.parametrize("values", [[1.0], [0.5, 0.5], [3.0, 1.0, 2.0]])
def test_a_curve_stays_in_its_picture(values: list[float]) -> None:
    drawn = line("loss", values)
    points = re.search(r'points="([^"]+)"', drawn)
    assert points is not None
    places = [tuple(map(float, place.split(","))) for place in points[1].split()]
    assert len(places) == len(values)
    assert all(0 < x < 320 and 0 < y < 170 for x, y in places)
    heights = [y for _, y in places]
    assert sorted(range(len(values)), key=lambda epoch: -values[epoch]) == sorted(
        range(len(values)), key=lambda epoch: heights[epoch]
    )


def test_a_page_replaces_the_one_before_and_leaves_no_part_behind(tmp_path: Path) -> None:
    write_page(facts(model_version="6"), tmp_path)
    written = write_page(facts(), tmp_path)
    assert written == tmp_path / "2011-12-08" / "index.html"
    assert "Model version 7" in written.read_text(encoding="utf-8")
    assert list(written.parent.iterdir()) == [written]


def test_every_page_that_names_a_person_is_removed(tmp_path: Path) -> None:
    stays = write_page(facts(ds="2011-12-07", people=[], item_map=None), tmp_path)
    goes = [write_page(facts(people=[]), tmp_path), write_page(facts(ds="2011-12-09", item_map=None), tmp_path)]
    assert sorted(remove_pages(str(tmp_path), f"user {EVIL}")) == sorted(goes)
    assert stays.exists()
    assert not any(page.exists() for page in goes)


def test_the_summary_prints_names_as_they_are_and_the_measures(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(facts(), CUTOFFS, ("--config", "conf/shop.toml"))
    told = capsys.readouterr().out
    flat = " ".join(told.split())
    for place in ("user", "recent", "because", "shown", "/lake"):
        assert f"{place} {EVIL}" in flat, place
    for said in ("392,692", "no_customer 135,080", "1,234 targets", "0.1111", "0.5555", "0.0222", "0.0666"):
        assert said in flat
    assert "Model version 7; 2 of 3 gates passed." in flat
    assert "nothing: other interests score its items higher" in flat
    assert "--backend-store-uri sqlite:///a.db" in flat
    assert "make night DS=2011-12-09 CONFIG=conf/shop.toml the next night, when its log is there" in flat
    mind, popular = (
        next(line for line in told.splitlines() if line.startswith(name)) for name in ("MIND", "popularity")
    )
    assert mind.split()[1:] == ["0.1111", "0.5555"]
    assert popular.split()[1:] == ["0.0222", "0.0666"]


@pytest.mark.parametrize(
    "words", [(), ("--config", "a.toml", "--config", "b.toml"), ("--config", "a.toml", "--set", "lake.root=/my lake")]
)
def test_the_next_night_is_configured_as_this_one(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(facts(), CUTOFFS, words)
    line = next(line for line in capsys.readouterr().out.splitlines() if "the next night" in line)
    command, _, _ = line.partition("   the next night")
    program = [".venv/bin/python", "-m", "mind.launch", "night", "--ds", "2011-12-09"]
    assert shlex.split(command) == [*program, *words], "make takes one file and no single value"


def test_a_rule_that_does_not_apply_is_not_told_as_passed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    idle = {"name": "coverage_at_50", "value": 0.4, "limit": None, "says": "does not apply", "passed": True}
    held = {**RULE, "name": "latency_ms_per_user", "passed": True}
    verdict = {"number": "8", "why": "worse", "passed": False, "rules": [idle, held, RULE]}
    fingerprint = f"253096-{'5a2625fa' * 8}/3678-{'b0c1d2e3' * 8}"
    kept = COMPARISON | {"ds": "2011-12-08", "rows": 1234, "tuples": fingerprint, "verdicts": {"8": verdict}}
    print_comparison(kept)
    lines = capsys.readouterr().out.splitlines()
    assert f"2011-12-08: 1,234 test rows, tuples {fingerprint}" in lines, "it can be copied in one piece"
    last_words = {line.split()[0]: line.split()[-1] for line in lines if line.strip()}
    assert [last_words[rule["name"]] for rule in (idle, held, RULE)] == ["-", "passed", "FAILED"]
    page = write_page(facts(comparison=COMPARISON | {"verdicts": {"8": verdict}}), tmp_path).read_text()
    assert "<td>coverage at 50</td><td>-</td>" in page
    assert '<td>latency ms per user</td><td><span class="pill good">passed</span></td>' in page


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
