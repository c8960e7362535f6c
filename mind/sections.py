"""What the configuration and the source descriptions share: TOML read into frozen, checked sections."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mind.errors import MindError

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Scale = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


_WITHOUT_VALUE = ("missing", "value_error", "extra_forbidden")
"""Faults told without the value: there is none, the message has it, or it belongs to no key and may be secret."""


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
            f"  {'.'.join(str(part) for part in fault['loc']) or '(all)'}: {fault['msg']}"
            + (f" (found {fault['input']!r})" if fault["type"] not in _WITHOUT_VALUE else "")
            for fault in error.errors()
        ]
        raise ConfigError(f"{origin} cannot be used:\n" + "\n".join(faults)) from error
