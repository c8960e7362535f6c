"""Who serves: the challenger takes the champion's place only where it is better beyond doubt."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from mind.config import EvaluationSection
from mind.errors import GateFailed, MindError
from mind.tracking.registry import CHALLENGER, CHAMPION, Registry

log = logging.getLogger("mind")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the challenger is promoted, and why, in words."""

    promoted: bool
    why: str


def decide(metrics: Mapping[str, float], main_cutoff: int, has_champion: bool, is_champion: bool) -> Verdict:
    """The verdict on a challenger from its test metrics of the night.

    With a champion, the 95 % interval of the difference in HitRate must lie above 0; the first champion must beat
    popularity in the same way.

    Raises:
        MindError: the challenger was not evaluated on that night.
    """
    if is_champion:
        return Verdict(promoted=False, why="the challenger is the champion already")
    other = CHAMPION if has_champion else "popularity"
    key = f"test_over_{other}_hit_rate_at_{main_cutoff}"
    if key not in metrics:
        raise MindError(f"the challenger has no metric {key} for this night; run evaluate first")
    low, high, found = metrics[f"{key}_low"], metrics[f"{key}_high"], metrics[key]
    told = f"HitRate@{main_cutoff} differs from {other}'s by {found:+.4f} (95 % interval {low:+.4f} to {high:+.4f})"
    return Verdict(promoted=low > 0, why=told)


def promote(registry: Registry, ds: date, step: int, section: EvaluationSection) -> None:
    """Decide, write down who replaced whom and why, and move the champion's alias last.

    Raises:
        GateFailed: there is no champion and the challenger may not become one: nothing can be served.
    """
    challenger, champion = registry.need(CHALLENGER), registry.by_alias(CHAMPION)
    verdict = decide(
        registry.metrics(challenger.run_id, step),
        section.main_cutoff,
        has_champion=champion is not None,
        is_champion=champion is not None and champion.number == challenger.number,
    )
    holder = champion.number if champion else "none"
    if not verdict.promoted and champion is None:
        raise GateFailed(
            f"version {challenger.number} may not become the first champion: {verdict.why}. Look at its run in MLflow; "
            "train longer or on more days."
        )
    if verdict.promoted:
        registry.tag(challenger.number, {"promoted_on": ds.isoformat(), "replaced": holder, "why": verdict.why})
        registry.point(CHAMPION, challenger.number)
        log.info("version %s is champion, it replaces %s: %s", challenger.number, holder, verdict.why)
    else:
        log.info("version %s stays champion: %s", holder, verdict.why)
