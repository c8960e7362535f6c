"""What a night's manifest says beside its files."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

from pyspark.sql import DataFrame

from mind.config import Source, TuplesSection
from mind.features.vocabulary import fingerprint, item_features, profile_features, sizes
from mind.tuples.build import Targets, windows


def facts(
    vocabulary: DataFrame, source: Source, ds: date, section: TuplesSection, targets: Targets
) -> dict[str, Any]:
    """The fields of `Manifest` that are known before the files are written."""
    items, profile = item_features(source), profile_features(source)
    of_sizes = sizes(vocabulary, (*items, *profile))
    days = {split: [str(window.first), str(window.last)] for split, window in windows(ds, section).items()}
    return {
        "history_length": section.history_length,
        "item_features": {feature: of_sizes[feature] for feature in items},
        "profile_features": {feature: of_sizes[feature] for feature in profile},
        "vocabulary": fingerprint(vocabulary, of_sizes),
        "facts": {"source": source.name, "days": days, "targets": asdict(targets)},
    }
