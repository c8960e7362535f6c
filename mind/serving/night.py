"""What a retrieval checks before it starts, what it leaves out, and how its rows are stamped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from mind.behaviours.days import last_days
from mind.errors import BrokenPromise, MindError
from mind.recommending import RetrievalSection
from mind.serving.embedding import ServingModel
from mind.serving.neighbours import ItemCF
from mind.serving.searching import CATEGORY, EXCLUDED
from mind.source import Source
from mind.tables import names as n


def check_versions(model: ServingModel, frames: Mapping[str, DataFrame]) -> None:
    """Raises BrokenPromise unless every frame was made by this model alone: vectors of two models do not compare."""
    due = {(model.version, model.checksum)}
    for table, frame in frames.items():
        made_by = {tuple(row) for row in frame.select(n.MODEL_VERSION, n.MODEL_CHECKSUM).distinct().collect()}
        if made_by != due:
            versions = ", ".join(sorted(version for version, _ in made_by))
            raise BrokenPromise(
                f"table {table} was made by model version {versions}, the champion is {model.version} (weights "
                f"{model.checksum[:12]}); run embed_items and embed_users for this ds again"
            )


def first_day_listed(ds: date, section: RetrievalSection) -> date:
    """The first of the days that exclusions and the popular list look at."""
    return last_days(ds, max(section.exclude_days, section.fallback_days))[0]


def touched(standing: DataFrame, ds: date, days: int) -> DataFrame:
    """(user_id, excluded): what each user touched in the last `days` days; nobody where `days` is 0."""
    first, last = last_days(ds, days)  # of 0 days the first is after the last: nothing is between
    recent = standing.where(F.col(n.EVENT_DAY).between(F.lit(first), F.lit(last)))
    return recent.groupBy(n.USER_ID).agg(F.collect_set(n.ITEM_ID).alias(EXCLUDED))


def categories(items: DataFrame, source: Source, section: RetrievalSection) -> DataFrame | None:
    """(item_id, category) for the diversity that `section` asks for, None where it asks for none.

    Items whose feature is missing share a category.

    Raises:
        MindError: the source has no such feature.
    """
    if not section.diversity:
        return None
    features = list(source.item_features)
    if section.diversity_feature not in features:
        raise MindError(
            f"retrieval.diversity_feature is {section.diversity_feature!r}; item features of source {source.name} are "
            f"{', '.join(features) or 'none'}. Name one of them, or set retrieval.diversity to 0"
        )
    place = 1 + features.index(section.diversity_feature)
    return items.select(n.ITEM_ID, F.col(n.ITEM_CODES)[place].alias(CATEGORY))


def stamped(frame: DataFrame, ds: date, model: ServingModel | ItemCF, catalogue: str | None = None) -> DataFrame:
    """The frame with the night and what made it; `catalogue` is the fingerprint of what was searched."""
    stamps: dict[str, object] = {n.DS: ds, n.MODEL_VERSION: model.version, n.MODEL_CHECKSUM: model.checksum}
    if catalogue is not None:
        stamps[n.INDEX_CHECKSUM] = catalogue
    return frame.withColumns({name: F.lit(value) for name, value in stamps.items()})
