"""The gates: what `measures` found on the staged night, judged together, and kept with the publication."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from mind.errors import GateFailed
from mind.recommending import GatesSection

log = logging.getLogger("mind")


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One verdict: what was measured, the rule, and whether it held."""

    name: str
    value: float
    rule: str
    passed: bool


NONE_ALLOWED = (
    *("missing_users", "strange_users", "dropped_histories", "short_lists", "unequal_lengths", "repeated_items"),
    *("broken_scores", "unordered_scores", "unknown_items", "left_out_items", "touched_items", "foreign_versions"),
)
"""Counts of faults; one that was not measured (nothing is left out for having been touched) is no gate."""


def judge(found: Mapping[str, float], section: GatesSection) -> list[Gate]:
    """Every gate with its verdict.

    Args:
        found: what `measures.measure` found; without `lists_before` the night is the first, and is not compared.
    """
    gates = [
        Gate(name=name, value=found[name], rule="must be 0", passed=found[name] == 0)
        for name in NONE_ALLOWED
        if name in found
    ]
    gates.append(Gate(name="versions", value=found["versions"], rule="must be 1", passed=found["versions"] == 1))
    least = {
        "lists": (found["lists"], float(section.minimum_users)),
        "full_share": (found["full_lists"] / max(found["lists"], 1.0), section.minimum_full_share),
        "recall": (found["recall"], section.minimum_recall),
        "coverage": (found["shown_items"] / max(found["items"], 1.0), section.minimum_coverage),
    }
    if found.get("lists_before"):
        least["lists_over_last_night"] = (found["lists"] / found["lists_before"], section.minimum_user_ratio)
        least["places_over_last_night"] = (found["places"] / max(found["places_before"], 1), section.minimum_row_ratio)
    if "overlap" in found:
        least["overlap_with_last_night"] = (found["overlap"], section.minimum_overlap)
    gates += [
        Gate(name=name, value=value, rule=f"must be at least {rule:g}", passed=value >= rule)
        for name, (value, rule) in least.items()
    ]
    most = {
        "fallback_share": (found["fallback_users"] / max(found["lists"], 1.0), section.maximum_fallback_share),
        "concentration": (found["most_shown_places"] / max(found["places"], 1.0), section.maximum_concentration),
    }
    gates += [
        Gate(name=name, value=value, rule=f"must be at most {rule:g}", passed=value <= rule)
        for name, (value, rule) in most.items()
    ]
    return gates


def require(gates: list[Gate]) -> None:
    """Raises GateFailed with every gate that did not hold."""
    failed = [f"{gate.name} is {gate.value:g}, {gate.rule}" for gate in gates if not gate.passed]
    log.info("%d of %d gates passed", len(gates) - len(failed), len(gates))
    if failed:
        raise GateFailed(
            f"{len(failed)} of {len(gates)} gates failed: {'; '.join(failed)}. Nothing was published: readers keep the "
            "last night. The staged lists are in candidates_staged; the rules are in [gates]."
        )


def as_rows(gates: list[Gate]) -> list[dict[str, object]]:
    """The verdicts as they are kept with the publication."""
    return [asdict(gate) for gate in gates]
