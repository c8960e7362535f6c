"""What the configuration and the source descriptions share: TOML read into frozen, checked sections."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mind.errors import MindError

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Scale = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


_WITHOUT_VALUE = ("missing", "value_error")
"""Faults told without the value: there is none, or the message has it."""


class ConfigError(MindError):
    """A configuration that cannot be used; the message names the file or key, the value and the rule."""


class Section(BaseModel):
    """What every section shares: frozen, no unknown keys, and a field's description gives its unit."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, protected_namespaces=())


def known_zone(value: str) -> str:
    """The value, if it names a time zone; raises ValueError otherwise."""
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is no IANA time zone; write one such as 'UTC' or 'Europe/London'") from error
    return value


def read_toml(file: Path) -> dict[str, Any]:
    """The tables of one TOML file.

    Raises:
        ConfigError: the file is missing or is no TOML.
    """
    try:
        with file.open("rb") as handle:
            return tomllib.load(handle)
    except FileNotFoundError as error:
        raise ConfigError(f"{file} does not exist; give the path of a TOML file") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is no valid TOML: {error}") from error


def build(model: type[BaseModel], values: Mapping[str, Any], origin: str) -> Any:
    """`model` made from `values`; a refusal lists every fault with its key, value and rule."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = [
            f"  {'.'.join(str(part) for part in fault['loc']) or '(all)'}: {_told(model, fault)}"
            for fault in error.errors()
        ]
        raise ConfigError(f"{origin} cannot be used:\n" + "\n".join(faults)) from error


def _told(model: type[BaseModel], fault: Mapping[str, Any]) -> str:
    if fault["type"] == "extra_forbidden":  # its value belongs to no key, may be a secret, and is not shown
        *place, key = fault["loc"]
        known = _keys_at(model, place)
        near = get_close_matches(str(key), known, n=1)
        return "unknown key; " + (f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}")
    found = f" (found {fault['input']!r})" if fault["type"] not in _WITHOUT_VALUE else ""
    return f"{fault['msg']}{found}"


def _keys_at(model: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """The keys of the section that stands at a place inside `model`; numbers of the place count its equals."""
    for part in place:
        if isinstance(part, str):
            model = _sections_in(model.model_fields[part].annotation)[0]
    return list(model.model_fields)


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a field's type names: `FeatureFile | None` and `tuple[RefuseRule, ...]` name one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in get_args(annotation) for found in _sections_in(inner)]
