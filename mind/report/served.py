"""What served a night, as its page tells it: the champion, or item neighbours without a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

from mind.publishing.rollback import NONE
from mind.report.people import ALL_REASONS, Reasons
from mind.serving.embedding import serving_model
from mind.serving.explaining import interest_reasons
from mind.tables import ITEM_CF
from mind.tables import names as n
from mind.tracking.promotion import comparison_of
from mind.tracking.registry import CHAMPION, Registry, Version
from mind.training.assessment import step_of


@dataclass(frozen=True, kw_only=True)
class Served:
    """What made the lists, and what is known of it; nothing where no model did."""

    name: str = ITEM_CF
    version: Version | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    comparison: dict[str, Any] | None = None
    reasons: Reasons = lambda user: []


def served_by(publication: Mapping[str, str], method: str, registry: Registry, ds: date, main_cutoff: int) -> Served:
    """By the night's last publication; where readers see none, by `retrieval.method`.

    Raises:
        MindError: a model served, or is to serve, and there is no champion.
    """
    version = publication.get(n.MODEL_VERSION, NONE)
    if version == ITEM_CF or (version == NONE and method == ITEM_CF):
        return Served()
    champion = registry.need(CHAMPION)
    model = serving_model(registry.folder(champion), champion.number)
    return Served(
        name=champion.number,
        version=champion,
        metrics=registry.metrics(champion.run_id, step_of(ds)),
        curves=registry.curves(champion.run_id, main_cutoff),
        comparison=comparison_of(registry, ds),
        reasons=partial(interest_reasons, model, most=ALL_REASONS),
    )
