"""The night's numbers in Prometheus' text format, for a monitor that collects files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from mind.report.facts import NightFacts

FILE = "mind.prom"
Sample = tuple[dict[str, str], float]


def write_metrics(facts: NightFacts, folder: Path) -> None:
    """Write `<folder>/<ds>/mind.prom`, and `<folder>/mind.prom` for the night that was reported last; whole or not."""
    text = render(facts)
    for place in (folder / facts.ds, folder):
        place.mkdir(parents=True, exist_ok=True)
        part = place / f".{FILE}.{os.getpid()}"
        part.write_text(text, encoding="utf-8")
        part.replace(place / FILE)


def render(facts: NightFacts) -> str:
    """One block a metric: what it means, its type, its samples with the night as a label."""
    night = {"ds": facts.ds}
    blocks: dict[str, tuple[str, list[Sample]]] = {
        "mind_night_rows": (
            "Rows of each table in the night.",
            [(night | {"table": name}, float(rows)) for name, rows in facts.rows.items()],
        ),
        "mind_night_refused_rows": (
            "Rows in quarantine, by reason.",
            [(night | {"reason": name}, float(rows)) for name, rows in facts.quarantined.items()],
        ),
        "mind_night_gate_value": (
            "What each gate measured.",
            [(night | {"gate": str(gate["name"])}, float(gate["value"])) for gate in facts.gates],
        ),
        "mind_night_gate_passed": (
            "1 where the gate held.",
            [(night | {"gate": str(gate["name"])}, float(bool(gate["passed"]))) for gate in facts.gates],
        ),
        "mind_night_users": (
            "Users by number of interests.",
            [(night | {"interests": str(count)}, float(users)) for count, users in facts.users_by_interests.items()],
        ),
        "mind_night_metric": (
            "Test metrics of the champion on the night.",
            [(night | {"metric": name}, value) for name, value in sorted(facts.metrics.items())],
        ),
        "mind_night_model_version": (
            "Version of the model that served the night.",
            [(night | {"model": facts.model_version}, 1.0)],
        ),
    }
    return "\n".join(line for name, (text, samples) in blocks.items() for line in _block(name, text, samples)) + "\n"


def _block(name: str, text: str, samples: list[Sample]) -> Iterator[str]:
    if samples:
        yield f"# HELP {name} {text}"
        yield f"# TYPE {name} gauge"
    for labels, value in samples:
        told = ",".join(f'{label}="{_quoted(held)}"' for label, held in labels.items())
        yield f"{name}{{{told}}} {value:.17g}"


def _quoted(text: str) -> str:
    return re.sub(r'[\\"]', lambda found: f"\\{found[0]}", text).replace("\n", "\\n")
