"""The page in MLflow, beside the model that served the night."""

from __future__ import annotations

from mind.report.facts import NightFacts
from mind.report.page import render
from mind.tables import names as n
from mind.tracking.registry import Registry, Version


def keep(facts: NightFacts, registry: Registry, served_by: Version) -> None:
    """Keep the page as `report/<ds>.html` of the version's run, and write on the version what readers see of it.

    The page there names no person: `forget` cannot reach into the artefacts of every store.
    """
    registry.add_text(served_by.run_id, f"report/{facts.ds}.html", render(facts, people=False))
    if facts.published:
        version = facts.publication[n.TABLE_VERSION]
        registry.tag(served_by.number, {"published_ds": facts.ds, "candidates_table_version": version})
