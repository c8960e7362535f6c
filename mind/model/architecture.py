"""What defines a MIND model besides its weights: the constructor's arguments, validated, and as JSON."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mind.model.label_attention import check_power
from mind.model.routing_start import RoutingStart, check_start

ScoredBy = Literal["chosen", "best"]
Method = Literal["mind", "youtube_dnn"]

LATER = {
    "method": "mind",
    "recency": False,
    "context": False,
    "residual": False,
    "dropout": 0.0,
    "decorrelation": 0.0,
    "behaviour_time": False,
}
"""What a model that was stored before these arguments existed has in their place."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Arguments of `MIND`, which documents them. Raises ValueError when built with values that cannot "
    "work."""

    feature_sizes: tuple[int, ...]
    profile_sizes: tuple[int, ...]
    history_length: int
    dimension: int
    interests: int
    adaptive_interests: bool
    routing_iterations: int
    routing_start: RoutingStart
    sigma: float
    start_scale: float
    hidden_sizes: tuple[int, ...]
    attention_power: float
    normalise: bool
    temperature: float
    negatives_scored_by: ScoredBy
    log_q_correction: bool
    embedding_scale: float
    mapping_scale: float
    seed: int
    method: Method
    recency: bool
    context: bool
    residual: bool
    dropout: float
    decorrelation: float
    behaviour_time: bool

    def __post_init__(self) -> None:
        for name in ("feature_sizes", "profile_sizes", "hidden_sizes"):
            object.__setattr__(self, name, tuple(int(size) for size in getattr(self, name)))
        if not self.feature_sizes:
            raise ValueError("feature_sizes is empty, its first entry must be the number of catalogue rows V")
        _at_least("feature_sizes[0]", self.feature_sizes[0], 3, "padding, unknown and one real item need 3 rows")
        for index, size in enumerate(self.feature_sizes[1:], start=1):
            _at_least(f"feature_sizes[{index}]", size, 2, "padding and unknown need 2 rows")
        for index, size in enumerate(self.profile_sizes):
            _at_least(f"profile_sizes[{index}]", size, 2, "padding and unknown need 2 rows")
        for index, size in enumerate(self.hidden_sizes):
            _at_least(f"hidden_sizes[{index}]", size, 1, "leave the layer out instead")
        for name in ("history_length", "dimension", "interests", "routing_iterations"):
            _at_least(name, getattr(self, name), 1, "give a positive whole number")
        switches = ("adaptive_interests", "normalise", "log_q_correction")
        for name in (*switches, "recency", "context", "residual", "behaviour_time"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is {getattr(self, name)!r}, it must be true or false; give one of them")
        for name in ("temperature", "embedding_scale", "mapping_scale"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise ValueError(f"{name} is {value}, it must be finite and above 0; see MIND's default")
        if self.negatives_scored_by not in ("chosen", "best"):
            raise ValueError(
                f"negatives_scored_by is {self.negatives_scored_by!r}, it must be 'chosen' or 'best'; "
                "choose one of them"
            )
        if self.method not in ("mind", "youtube_dnn"):
            raise ValueError(f"method is {self.method!r}, it must be 'mind' or 'youtube_dnn'; choose one of them")
        if self.method == "youtube_dnn" and self.interests != 1:
            raise ValueError(
                f"interests is {self.interests} with method 'youtube_dnn', which has one vector a user; give 1"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout is {self.dropout}, it must be 0 or more and below 1; 0 leaves nothing out")
        if not (math.isfinite(self.decorrelation) and self.decorrelation >= 0.0):
            raise ValueError(f"decorrelation is {self.decorrelation}, it must be finite and 0 or more; 0 turns it off")
        _at_least("seed", self.seed, 0, "give a whole number from 0")
        check_start(self.routing_start, self.sigma, self.start_scale)
        check_power(self.attention_power)

    @property
    def needs_mean(self) -> bool:
        """Whether the mean of a user's behaviours takes part."""
        return self.context or self.method == "youtube_dnn"

    def as_json(self) -> dict[str, Any]:
        """Standard JSON values: an infinite power becomes the string "inf", as JSON has no infinity."""
        values = dataclasses.asdict(self)
        if math.isinf(self.attention_power):
            values["attention_power"] = "inf"
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Architecture":
        """Inverse of `as_json`. Raises ValueError for missing or unknown names."""
        values = {**LATER, **values}
        expected = {field.name for field in dataclasses.fields(cls)}
        missing, unknown = sorted(expected - set(values)), sorted(set(values) - expected)
        if missing or unknown:
            raise ValueError(
                f"architecture lacks {missing} and has unknown {unknown}, its names must be exactly those of "
                "MIND's arguments; save the model again with this version"
            )
        return cls(**{**values, "attention_power": float(values["attention_power"])})


def _at_least(name: str, value: object, least: int, remedy: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is {value!r}, it must be a whole number of at least {least}: {remedy}")
