"""The page's sections on how good the night is: methods, rules, gates, training, coverage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from mind.report.charts import Bar, bars, line
from mind.report.facts import NightFacts
from mind.report.side_by_side import number_of, shown


def gain_over_popularity(facts: NightFacts) -> float | None:
    """By which share the champion's HitRate is above popularity's; None where one is not measured or is 0."""
    main = f"hit_rate_at_{facts.main_cutoff}"
    ours, theirs = facts.metrics.get(f"test_{main}"), facts.metrics.get(f"popularity_{main}")
    return None if ours is None or not theirs else ours / theirs - 1


def methods(facts: NightFacts) -> str:
    """HitRate of each method at the main cutoff with intervals, and at every cutoff as a table."""
    held = _measured(facts)
    if not held:
        return "<p>The champion was not evaluated on this night.</p>" if facts.by_model else "<p>No model served.</p>"
    at = facts.main_cutoff
    rows = int(facts.metrics.get("test_rows", 0))
    return (
        f'<p class="said">HitRate on the test days, {rows:,} targets that training never saw, ranked among all items '
        f"that compete. The line over a bar is the 95 % interval of its difference to what it is compared with.</p>"
        f"<h3>HitRate@{at}</h3>{bars(list(_bars(facts, held)), f'HitRate@{at} of each method')}{_cutoffs(facts, held)}"
    )


def _measured(facts: NightFacts) -> dict[str, dict[str, float]]:
    """Measures by method, the serving one first."""
    kept = (facts.comparison or {}).get("metrics", {})
    found = {
        facts.model_version: _without(facts.metrics, "test_"),
        "popularity": _without(facts.metrics, "popularity_"),
    }
    found |= {name: measured for name, measured in kept.items() if name not in found or not found[name]}
    main = f"hit_rate_at_{facts.main_cutoff}"
    return {name: measured for name, measured in found.items() if main in measured}


def _without(metrics: dict[str, float], prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}


def _called(name: str, facts: NightFacts) -> str:
    if name == "popularity":
        return "popularity"
    return f"MIND, version {name}" + (", serving" if name == facts.model_version else "")


def _bars(facts: NightFacts, held: dict[str, dict[str, float]]) -> Iterator[Bar]:
    main = f"hit_rate_at_{facts.main_cutoff}"
    kept = facts.comparison or {}
    for name, measured in held.items():
        low, high = None, None
        over = f"test_over_popularity_{main}"
        if name == facts.model_version and f"{over}_low" in facts.metrics and "popularity" in held:
            base = held["popularity"][main]
            low, high = base + facts.metrics[f"{over}_low"], base + facts.metrics[f"{over}_high"]
        elif name in kept.get("differences", {}):
            difference, least, most = kept["differences"][name]
            low, high = measured[main] - difference + least, measured[main] - difference + most
        ours = name == facts.model_version
        value = measured[main]
        yield Bar(name=_called(name, facts), value=value, text=f"{value:.4f}", ours=ours, low=low, high=high)


def _cutoffs(facts: NightFacts, held: dict[str, dict[str, float]]) -> str:
    names = [name for name in shown(held.values()) if re.match(r"^(hit_rate|ndcg)_at_\d+$", name)]
    names.sort(key=lambda name: (not name.startswith("hit"), int(name.rpartition("_")[2])))
    head = "".join(f'<th class="n">{_short(name)}</th>' for name in names)
    body = "".join(
        f'<tr{" class=ours" if method == facts.model_version else ""}><td class="word">{escape(_called(method, facts))}'
        f"</td>{''.join(_number(measured.get(name)) for name in names)}</tr>"
        for method, measured in held.items()
    )
    return f'<div class="scroll"><table><tr><th>method</th>{head}</tr>{body}</table></div>'


def _short(name: str) -> str:
    measure, _, cutoff = name.partition("_at_")
    return f"{'HitRate' if measure == 'hit_rate' else measure.upper()}@{cutoff}"


def _number(value: float | None) -> str:
    return f'<td class="n">{number_of(value)}</td>'


def rules(facts: NightFacts) -> str:
    """The verdict on each challenger, rule by rule."""
    kept = facts.comparison
    if not facts.by_model:
        return "<p>No model served this night, and none was compared.</p>"
    if not kept or not kept["verdicts"]:
        return "<p>No challenger was compared on this night; the champion serves on.</p>"
    parts = []
    for number, verdict in kept["verdicts"].items():
        crowned = number == kept["promoted"]
        became = "became champion" if crowned else "did not become champion"
        pill = f'<span class="pill {"good" if crowned else "flat"}">{became}</span>'
        head = '<tr><th>rule</th><th></th><th class="n">value</th><th></th><th class="n">limit</th></tr>'
        body = "".join(
            f"<tr><td>{escape(rule['name'].replace('_', ' '))}</td><td>{_mark_of(rule)}</td>"
            f'{_number(rule["value"])}<td class="word soft">{escape(rule["says"])}</td>{_number(rule["limit"])}</tr>'
            for rule in verdict["rules"]
        )
        parts.append(
            f"<h3>Version {escape(number)} {pill}</h3><p>{escape(verdict['why'])}.</p>"
            f'<div class="scroll"><table>{head}{body}</table></div>'
        )
    return "".join(parts)


def _mark_of(rule: Mapping[str, Any]) -> str:
    return "-" if rule["limit"] is None else _mark(rule["passed"])  # without a limit it does not apply


def _mark(passed: bool) -> str:
    return f'<span class="pill {"good" if passed else "bad"}">{"passed" if passed else "failed"}</span>'


def gates(facts: NightFacts) -> str:
    """Every gate of the publication; those that failed first."""
    if not facts.gates:
        return "<p>This night was not published, so no gates are kept.</p>"
    body = "".join(
        f"<tr><td>{escape(gate['name'].replace('_', ' '))}</td><td>{_mark(bool(gate['passed']))}</td>"
        f'<td class="n">{gate["value"]:,.5g}</td><td class="word soft">{escape(gate["rule"])}</td></tr>'
        for gate in sorted(facts.gates, key=lambda gate: bool(gate["passed"]))
    )
    return (
        f'<div class="scroll"><table><tr><th>gate</th><th></th><th class="n">value</th><th>rule</th></tr>{body}'
        "</table></div>"
    )


def training(facts: NightFacts) -> str:
    """Loss, HitRate and capsule cosine by epoch."""
    if not facts.curves:
        return "<p>No curves.</p>"
    curves = "".join(line(name, values) for name, values in facts.curves.items())
    return (
        f'<div class="columns">{curves}</div><p class="said">Capsule cosine: mean cosine between the interests of a '
        "user; near 1 they are copies of each other, the lower the more they differ.</p>"
    )


def coverage(facts: NightFacts) -> str:
    """How much of the catalogue is shown, how unequally, and for whom the model works."""
    at, gate = facts.main_cutoff, {gate["name"]: gate for gate in facts.gates}
    told = [
        (f"catalogue in the first {at} of a test list", facts.metrics.get(f"test_coverage_at_{at}")),
        ("catalogue in at least one published list", gate.get("coverage", {}).get("value")),
        ("places held by the 1 % most shown items", gate.get("concentration", {}).get("value")),
        (f"Gini of exposure, first {at} (0: all alike)", facts.metrics.get(f"test_gini_at_{at}")),
        ("a user's list that was there the night before", gate.get("overlap_with_last_night", {}).get("value")),
    ]
    shares = [
        Bar(name=name, value=value, text=f"{100 * value:.1f} %", ours=True) for name, value in told if value is not None
    ]
    parts = [bars(shares, "coverage, concentration and overlap", whole=1.0)]
    if "overlap_with_last_night" not in gate:
        parts.append('<p class="said">No night was published before this one, so there is no overlap to show.</p>')
    parts.append('<div class="columns">')
    for title, pattern in (
        (
            f"HitRate@{at} by popularity of the target (targets), most chosen items first",
            r"decile_\d+|cold",
        ),
        (f"HitRate@{at} by length of the history (targets), at least so many behaviours", r"history_from_\d+"),
    ):
        found = _grouped(facts, pattern)
        if found:
            parts.append(f"<div><h3>{title}</h3>{bars(found, title)}</div>")
    return f"{''.join(parts)}</div>"


def _grouped(facts: NightFacts, pattern: str) -> list[Bar]:
    wanted = re.compile(rf"^test_hit_rate_at_{facts.main_cutoff}_({pattern})$")
    found = sorted((match[1], value) for name, value in facts.metrics.items() if (match := wanted.match(name)))
    # "cold" goes last: those items are below the last tenth.
    found.sort(key=lambda pair: pair[0] == "cold")
    made = []
    for group, value in found:
        rows = facts.metrics.get(f"test_rows_{group}")
        name = group.replace("decile_", "tenth ").replace("history_from_", "from ").replace(" 0", " ")
        counted = "" if rows is None else f" ({rows:,.0f})"
        made.append(Bar(name=f"{name}{counted}", value=value, text=f"{value:.4f}", ours=True))
    return made
