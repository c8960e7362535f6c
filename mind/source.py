"""Source descriptions: how the rows of one raw log become behaviours, read from `conf/sources/`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from mind.sections import ConfigError, Name, Section, build, known_zone, read_toml

SOURCES = Path("conf/sources")


class RefuseRule(Section):
    """Rows that are no behaviours: they go to quarantine under `reason`."""

    reason: Name = Field(description="written to the quarantine table")
    where: str = Field(min_length=1, description="Spark SQL over raw columns and event columns; true: refused")
    bad: bool = Field(default=False, description="counts towards ingest.bad_row_limit")


class SourceColumns(Section):
    """What a raw row says, as Spark SQL over the raw columns."""

    user_id: str
    item_id: str
    event_type: str
    event_time: str
    quantity: str = "1.0"


class Source(Section):
    """One raw log: how its rows become behaviours. The SQL in it is code: review it as code."""

    name: Name
    description: str = Field(min_length=1, description="where the data come from")
    format: Literal["parquet", "csv", "json", "delta"]
    path: str = Field(min_length=1, description="default place of the log")
    options: dict[str, str] = Field(default_factory=dict, description="options of Spark's reader")
    time_zone: str = Field(description="of event_time where that carries none")
    columns: SourceColumns
    positive_events: tuple[str, ...] = Field(min_length=1, description="event types that show interest")
    cancelling_events: tuple[str, ...] = Field(default=(), description="event types that undo a positive one")
    item_attributes: dict[Name, str] = Field(default_factory=dict, description="shown to people, never trained on")
    item_features: dict[Name, str] = Field(default_factory=dict, description="Fi beside the item id")
    user_features: dict[Name, str] = Field(default_factory=dict, description="Pu")
    refuse: tuple[RefuseRule, ...] = ()

    _zone = field_validator("time_zone")(known_zone)


def load_source(name: str, folder: Path = SOURCES) -> Source:
    """The source description `folder/name.toml`.

    Raises:
        ConfigError: there is none of that name, or it breaks a rule.
    """
    file = folder / f"{name}.toml"
    if not file.exists():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.toml"))) or "none"
        raise ConfigError(f"ingest.source {name!r} has no file {file}; known sources: {known}")
    source: Source = build(Source, read_toml(file), str(file))
    return source
