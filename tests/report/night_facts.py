"""A night in numbers that were made up, with names that would be markup if they were not escaped."""

from __future__ import annotations

import math
from typing import Any

from mind.report.facts import Interest, NightFacts, Person
from mind.report.item_map import ItemMap

EVIL = "<script>alert('x')</script> & \"JAR\" [bold red]"
CUTOFFS = (10, 50)
METRICS = {
    "test_rows": 1234.0,
    "test_hit_rate_at_10": 0.1111,
    "test_hit_rate_at_50": 0.5555,
    "popularity_hit_rate_at_10": 0.0222,
    "popularity_hit_rate_at_50": 0.0666,
    "test_over_popularity_hit_rate_at_50": 0.4889,
    "test_over_popularity_hit_rate_at_50_low": 0.4789,
    "test_over_popularity_hit_rate_at_50_high": 0.4989,
    "test_coverage_at_50": 0.42,
    "test_gini_at_50": 0.77,
    "test_hit_rate_at_50_decile_01": 0.6,
    "test_hit_rate_at_50_decile_10": 0.1,
    "test_hit_rate_at_50_cold": 0.0123,
    "test_hit_rate_at_50_history_from_04": 0.3,
    "test_rows_decile_01": 900.0,
}
RULE = {"name": "size_bytes", "value": 4000.0, "limit": 2000.0, "says": "must be at most", "passed": False}
COMPARISON = {
    "champion": "6",
    "promoted": None,
    "metrics": {"popularity": {"hit_rate_at_50": 0.0666}, "8": {"hit_rate_at_50": 0.5111}},
    "differences": {"8": (-0.0444, -0.05, -0.04)},
    "verdicts": {"8": {"number": "8", "rules": [RULE], "why": "worse <by far>", "passed": False}},
}
WALK = [(math.cos(step / 7) * step, math.sin(step / 5) * step) for step in range(300)]


def facts(**changes: Any) -> NightFacts:
    told: dict[str, Any] = {
        "ds": "2011-12-08",
        "rows": {"behaviours": 392692, "quarantine": 135080, "candidates": 4338},
        "quarantined": {"no_customer": 135080},
        "targets": {"behaviours": 77, "above_limit": 5, "kept": {"train": 3}},
        "metrics": METRICS,
        "curves": {"loss": [3.0, 2.0], "validation HitRate@50": [0.1, 0.2], "capsule cosine": [0.6, 0.6]},
        "model_version": "7",
        "publication": {"action": "publish", "published_at": "2011-12-09 03:00:00", "table_version": "12"},
        "gates": [
            {"name": "lists", "value": 9.0, "rule": "must be at least 1", "passed": True},
            {"name": "coverage", "value": 0.01, "rule": "must be at least <0.05", "passed": False},
            {"name": "overlap_with_last_night", "value": 0.87, "rule": "must be at least 0.05", "passed": True},
        ],
        "users_by_interests": {1: 10, 2: 20},
        "history_lengths": {1: 7, 4: 23},
        "people": [
            Person(
                user_id=f"user {EVIL}",
                behaviours=17,
                recent=[f"recent {EVIL}"],
                interests=[
                    Interest(because_of=[(f"because {EVIL}", 0.9)], candidates=[(1, f"shown {EVIL}", 0.75)]),
                    Interest(because_of=[("PLAIN MUG", 0.6)], candidates=[]),
                ],
                routing=[(f"routed {EVIL}", [0.9, 0.1]), ("PLAIN MUG", [0.4, 0.6])],
            )
        ],
        "places": {"tables": f"/lake {EVIL}", "MLflow store": "sqlite:///a.db", "report": "/build/report/index.html"},
        "main_cutoff": 50,
        "comparison": COMPARISON,
        "item_map": ItemMap(
            items=WALK,
            explained=0.31,
            user_id=f"user {EVIL}",
            interests=WALK[100:102],
            behaviours=WALK[90:95],
            candidates=((0, WALK[110]), (1, WALK[120]), (-1, WALK[130])),
        ),
        "interest_shares": {2: [0.62, 0.38], 3: [0.5, 0.25, 0.25]},
        "seconds": {"ingest": 12.5, "train": 75.0},
        "ingested": {"rows_read": 527772, "rows_kept": 392692, "rows_refused": 135080},
    }
    return NightFacts(**(told | changes))
