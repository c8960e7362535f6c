"""What a night's manifest says beside its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from mind.config import TuplesSection
from mind.features.vocabulary import item_features, profile_features
from mind.source import Source
from mind.tuples.build import Targets
from mind.tuples.splits import windows


def facts(
    source: Source,
    ds: date,
    section: TuplesSection,
    targets: Targets,
    of_sizes: Mapping[str, int],
    vocabulary: str,
    vocabulary_grew: Mapping[str, str],
) -> dict[str, Any]:
    """The fields of `Manifest` that are known before the files are written; `vocabulary` is a fingerprint, and
    `vocabulary_grew` are those of earlier days."""
    days = {split: [str(window.first), str(window.last)] for split, window in windows(ds, section).items()}
    return {
        "history_length": section.history_length,
        "history_days": section.history_days,
        "next_targets": section.next_targets,
        "item_features": {feature: of_sizes[feature] for feature in item_features(source)},
        "profile_features": {feature: of_sizes[feature] for feature in profile_features(source)},
        "vocabulary": vocabulary,
        "vocabulary_grew": dict(vocabulary_grew),
        "facts": {"source": source.name, "split": section.split, "days": days, "targets": asdict(targets)},
    }
