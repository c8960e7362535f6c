"""Who serves: a challenger takes the champion's place only where every rule of [promotion] holds on the same rows."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from mind.errors import BrokenPromise, GateFailed
from mind.recommending import PromotionSection
from mind.tracking.lineage import code_and_environment
from mind.tracking.registry import CHAMPION, PROMOTED_ON, Registry

log = logging.getLogger("mind")

POPULARITY = "popularity"
COMPARISON = "comparison"
"""Tag of the runs that compare: the night."""
RECORD = "comparison.json"

CAPSULE_COSINE, MERGED_SHARE = "capsule_mean_cosine", "capsule_merged_share"
SIZE, LATENCY = "size_bytes", "latency_ms_per_user"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Versions measured on one frozen evaluation set."""

    ds: str
    tuples: str
    """Fingerprint of the tuples that the rows are from."""
    rows: int
    main_cutoff: int
    champion: str | None
    """Number of the version that serves; None before the first."""
    metrics: Mapping[str, Mapping[str, float]]
    """By number of the version, and of popularity by its name."""
    differences: Mapping[str, tuple[float, float, float]]
    """By number of each challenger: HitRate@main_cutoff minus that of `rival`, and the ends of its 95 % interval."""

    @property
    def rival(self) -> str:
        """Whom a challenger must beat; its key in `metrics`."""
        return POPULARITY if self.champion is None else self.champion


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule with what was found; value and limit are None where the rule does not apply."""

    name: str
    value: float | None
    limit: float | None
    says: str
    passed: bool


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Every rule for one challenger."""

    number: str
    rules: tuple[Rule, ...]
    why: str

    @property
    def passed(self) -> bool:
        return all(rule.passed for rule in self.rules)


def judge(found: Comparison, section: PromotionSection) -> dict[str, Verdict]:
    """The verdict on each challenger, by its number.

    The first champion must beat popularity; the other rules compare with a champion and do not apply then, nor where
    one of the two has nothing to measure (the capsules of a model with one interest have no cosine).
    """
    return {number: _verdict(found, number, section) for number in found.differences}


def _verdict(found: Comparison, number: str, section: PromotionSection) -> Verdict:
    difference, low, high = found.differences[number]
    main, ours = f"hit_rate_at_{found.main_cutoff}", found.metrics[number]
    theirs = {} if found.champion is None else found.metrics[found.champion]
    coverage = f"coverage_at_{found.main_cutoff}"
    rules = [
        Rule(
            name=f"{main} over {_called(found)}, low end",
            value=low,
            limit=section.minimum_gain,
            says="must be above",
            passed=low > section.minimum_gain,
        ),
        _beside(coverage, ours, theirs, ratio=1 - section.coverage_loss, sign=-1),
        _beside(CAPSULE_COSINE, ours, theirs, ratio=1.0, rise=section.capsule_cosine_rise),
        _beside(MERGED_SHARE, ours, theirs, ratio=1.0, rise=section.merged_share_rise),
        _beside(SIZE, ours, theirs, ratio=section.size_ratio),
        _beside(LATENCY, ours, theirs, ratio=section.latency_ratio),
    ]
    failed = [rule for rule in rules if not rule.passed]
    why = (
        f"HitRate@{found.main_cutoff} differs from {_called(found)}'s by {difference:+.4f} "
        f"(95 % interval {low:+.4f} to {high:+.4f})"
    )
    if failed:
        why += "; " + "; ".join(f"{rule.name} is {rule.value:.4g}, {rule.says} {rule.limit:.4g}" for rule in failed)
    return Verdict(number=number, rules=tuple(rules), why=why)


def _called(found: Comparison) -> str:
    return POPULARITY if found.champion is None else f"version {found.champion}"


def _beside(
    name: str, ours: Mapping[str, float], theirs: Mapping[str, float], *, ratio: float, rise: float = 0.0, sign: int = 1
) -> Rule:
    """At most `ratio` times the champion's value plus `rise`; with sign -1 at least."""
    value = ours.get(name)
    if value is None or name not in theirs:
        return Rule(name=name, value=value, limit=None, says="does not apply", passed=True)
    limit = theirs[name] * ratio + rise
    says = "must be at most" if sign > 0 else "must be at least"
    return Rule(name=name, value=value, limit=limit, says=says, passed=sign * value <= sign * limit)


def record(found: Comparison, verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    """Measures and verdicts as they are kept and shown: JSON values."""
    return asdict(found) | {
        "verdicts": {number: asdict(verdict) | {"passed": verdict.passed} for number, verdict in verdicts.items()},
        "promoted": promoted(found, verdicts),
    }


def promoted(found: Comparison, verdicts: Mapping[str, Verdict]) -> str | None:
    """The number of the next champion: of the challengers that pass, the one with the highest main metric, of equals
    the oldest."""
    main = f"hit_rate_at_{found.main_cutoff}"
    passed = [number for number, verdict in verdicts.items() if verdict.passed]
    return min(passed, key=lambda number: (-found.metrics[number][main], int(number)), default=None)


def promote(registry: Registry, ds: date, found: Comparison, verdicts: Mapping[str, Verdict]) -> None:
    """Write down who replaced whom and why, and move the champion's alias last.

    Raises:
        BrokenPromise: the champion changed while its challengers were measured.
        GateFailed: there is no champion and no challenger may become one: nothing can be served.
    """
    if not verdicts:
        log.info("version %s is the champion already", found.champion)
        return
    chosen = promoted(found, verdicts)
    _write_down(registry, ds, found, verdicts)
    for verdict in verdicts.values():
        if verdict.number != chosen:
            stays = "does not become champion" if chosen is None else f"gives way to version {chosen}"
            log.info("version %s %s: %s", verdict.number, stays, verdict.why)
    if chosen is None and found.champion is None:
        told = "; ".join(verdict.why for verdict in verdicts.values())
        raise GateFailed(
            f"version {', '.join(verdicts)} may not become the first champion: {told}. Look at its run in MLflow; "
            "train longer or on more days. To have lists meanwhile: the night again with --set retrieval.method=item_cf"
        )
    if chosen is not None:
        _crown(registry, ds, found, verdicts[chosen])


def comparison_of(registry: Registry, ds: date) -> dict[str, Any] | None:
    """What the last comparison of the night kept, as `record` gives it; None where nothing was compared."""
    run = registry.newest_run(COMPARISON, ds.isoformat())
    return None if run is None else dict(registry.read_json(run["run_id"], RECORD))


def _write_down(registry: Registry, ds: date, found: Comparison, verdicts: Mapping[str, Verdict]) -> None:
    """A run of its own for the comparison, and on each challenger's version how it was judged."""
    kept = record(found, verdicts)
    tags = {
        COMPARISON: ds.isoformat(),
        "tuples": found.tuples,
        "champion_before": found.champion or "none",
        "promoted": kept["promoted"] or "none",
        **{f"verdict_{number}": verdict.why for number, verdict in verdicts.items()},
        **code_and_environment(),
    }
    with registry.run(f"compare {ds}", {"challengers": ", ".join(verdicts), "rows": found.rows}, tags) as run_id:
        for number, measured in found.metrics.items():
            finite = {f"{number}_{name}": value for name, value in measured.items() if math.isfinite(value)}
            registry.log(run_id, finite)
        registry.add_json(run_id, RECORD, kept)
    for number, verdict in verdicts.items():
        judged = {"compared_on": ds.isoformat(), "compared_with": found.rival, "verdict": verdict.why}
        registry.tag(number, judged)


def _crown(registry: Registry, ds: date, found: Comparison, verdict: Verdict) -> None:
    held = registry.by_alias(CHAMPION)
    if (held.number if held else None) != found.champion:
        raise BrokenPromise(
            f"version {held.number if held else 'none'} became champion while version {verdict.number} was compared "
            f"with {_called(found)}; run compare again"
        )
    holder = found.champion or "none"
    tags = {PROMOTED_ON: ds.isoformat(), "replaced": holder, "why": verdict.why}
    registry.tag(verdict.number, tags)
    registry.point(CHAMPION, verdict.number)
    log.info("version %s is champion, it replaces %s: %s", verdict.number, holder, verdict.why)
