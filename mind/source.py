"""Source descriptions: how the rows of one raw log become behaviours, read from `conf/sources/`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from mind.sections import ConfigError, Name, Section, Share, build, known_zone, read_toml

SOURCES = Path("conf/sources")
ITEM_FILE = "item_file"
USER_FILE = "user_file"
"""The struct columns in which a raw row finds what the files say about its item and its user."""

Format = Literal["parquet", "csv", "json", "delta", "python_literals"]
"""`python_literals`: one Python dictionary a line, as the Amazon metadata of 2014 have it; read without eval."""
Unit = Literal["", "s", "ms", "us"]

_OF_USER_FILE = re.compile(rf"\b{USER_FILE}\b", re.IGNORECASE)
_ONE_COLUMN = re.compile(rf"\s*{USER_FILE}\.(\w+)\s*")
"""What says something of the file about users, and what is a column of it and nothing else."""


class RefuseRule(Section):
    """Rows that are no behaviours: they go to quarantine under `reason`."""

    reason: Name = Field(description="written to the quarantine table")
    where: str = Field(min_length=1, description="Spark SQL over raw columns and event columns; true: refused")
    bad: bool = Field(default=False, description="counts towards ingest.bad_row_limit")


class RefuseUsersRule(Section):
    """Users who are no customers (robots, testers): on a day when the rule holds, all their rows are refused."""

    reason: Name = Field(description="written to the quarantine table, once for each row of the user and day")
    where: str = Field(min_length=1, description="Spark SQL aggregates over a user's accepted rows of one day")


class FeatureFile(Section):
    """A file about items or about users: what it says of a raw row's item or user stands beside that row.

    Without `moment` it has no time: its values hold for every behaviour that a run writes. Behaviours keep the values
    that they were written with, so a later version of the file changes the days looked back on and nothing older. With
    `moment` a row holds from then on, and a run for `ds` sees the rows of before the end of `ds` alone.
    """

    path: str = Field(min_length=1, description="a relative path starts at the folder that holds the log")
    format: Format
    options: dict[str, str] = Field(default_factory=dict, description="options of Spark's reader")
    fields: str = Field(default="", description="columns and types as Spark DDL; see Source.fields")
    key: str = Field(min_length=1, description="Spark SQL over its columns: the external id of the item or user")
    where: str = Field(default="true", min_length=1, description="Spark SQL over its columns: rows that are used")
    prefer: str = Field(default="0", min_length=1, description="of a key's rows, the one with the greatest value of it")
    moment: str = Field(
        default="", description="Spark SQL over its columns: when what the row says was first known; empty: no time"
    )
    time_zone: str = Field(default="", description="of moment where that carries none; empty: the zone of the log")
    time_unit: Unit = Field(default="", description="of moment, as Source.time_unit")
    time_format: str = Field(default="", description="of moment, as Source.time_format")
    columns: dict[Name, str] = Field(min_length=1, description="Spark SQL over its columns, by the name they get")

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        return known_zone(value) if value else value

    @model_validator(mode="after")
    def _parts_fit(self) -> FeatureFile:
        _one_form(self.time_unit, self.time_format, "moment")
        for name in ("time_zone", "time_unit", "time_format"):
            if getattr(self, name) and not self.moment:
                raise ValueError(
                    f"{name} {getattr(self, name)!r} says how moment is written, and there is no moment; name its "
                    "column, for example moment = 'valid_from', or leave it out"
                )
        return self


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
    format: Format
    path: str = Field(min_length=1, description="default place of the log; {ds} in it stands for a day")
    options: dict[str, str] = Field(default_factory=dict, description="options of Spark's reader")
    fields: str = Field(default="", description="columns and types as Spark DDL; empty: whatever the log has")
    time_zone: str = Field(description="of event_time where that carries none")
    time_unit: Unit = Field(default="", description="of event_time where it counts from 1970")
    time_format: str = Field(
        default="", description="Spark's pattern of event_time where it is text in another form than ISO 8601"
    )
    columns: SourceColumns
    positive_events: tuple[str, ...] = Field(min_length=1, description="event types that show interest")
    target_shares: dict[str, Share] = Field(
        default_factory=dict,
        description="share of a positive event type's behaviours that become targets, 1 unless given; 0: history only",
    )
    cancelling_events: tuple[str, ...] = Field(default=(), description="event types that undo a positive one")
    item_attributes: dict[Name, str] = Field(default_factory=dict, description="shown to people, never trained on")
    item_features: dict[Name, str] = Field(default_factory=dict, description="Fi beside the item id")
    user_features: dict[Name, str] = Field(default_factory=dict, description="Pu")
    item_file: FeatureFile | None = Field(default=None, description="seen by expressions as item_file.name")
    user_file: FeatureFile | None = Field(default=None, description="seen by expressions as user_file.name")
    same_event: tuple[str, ...] = Field(
        default=(),
        description="Spark SQL over columns of behaviours: accepted rows of a day equal in all of it are one event",
    )
    refuse: tuple[RefuseRule, ...] = ()
    refuse_users: tuple[RefuseUsersRule, ...] = ()

    _zone = field_validator("time_zone")(known_zone)

    @model_validator(mode="after")
    def _parts_fit(self) -> Source:
        _one_form(self.time_unit, self.time_format, "event_time")
        unknown = sorted(set(self.target_shares) - set(self.positive_events))
        if unknown:
            raise ValueError(
                f"target_shares names {', '.join(unknown)}, which positive_events does not; only those become targets"
            )
        for where, part in (("the log", self), (ITEM_FILE, self.item_file), (USER_FILE, self.user_file)):
            if part is not None and part.format == "python_literals" and not part.fields:
                raise ValueError(f"{where} has format python_literals, which needs fields, for example 'asin string'")
        self._check_dated()
        return self

    @property
    def dated_features(self) -> dict[str, str]:
        """Parts of Pu that `[user_file]` gives from a moment on: the column of the file, by the feature's name."""
        if self.user_file is None or not self.user_file.moment:
            return {}
        found = {name: _ONE_COLUMN.fullmatch(sql) for name, sql in self.user_features.items()}
        return {name: match[1] for name, match in found.items() if match}

    @property
    def log_features(self) -> dict[str, str]:
        """The other parts of Pu: what a behaviour itself says of its user, as Spark SQL over the raw row."""
        dated = self.dated_features
        return {name: sql for name, sql in self.user_features.items() if name not in dated}

    def _check_dated(self) -> None:
        if self.user_file is None or not self.user_file.moment:
            return
        for name, sql in self.log_features.items():
            if _OF_USER_FILE.search(sql):
                raise ValueError(
                    f"user_features.{name} = {sql!r}: with a moment, what {USER_FILE} says is looked up for moments at "
                    f"which the log has no row, so a feature is {USER_FILE}.name alone or does not use the file; make "
                    f"it of the file's columns under [{USER_FILE}.columns]"
                )
        absent = sorted(set(self.dated_features.values()) - set(self.user_file.columns))
        if absent:
            raise ValueError(
                f"user_features name {', '.join(absent)} of {USER_FILE}, which [{USER_FILE}.columns] does not give; it "
                f"gives {', '.join(self.user_file.columns)}"
            )


def _one_form(unit: str, pattern: str, of: str) -> None:
    if unit and pattern:
        raise ValueError(
            f"time_unit {unit!r} says that {of} is a number, time_format {pattern!r} that it is text; leave one of "
            "them out"
        )


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
    if source.name != name:
        raise ConfigError(f"{file} says name = {source.name!r}; give the description and its file the same name")
    return source
