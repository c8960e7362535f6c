"""Arguments that cannot work are refused with value and rule."""

import math
from typing import Any

import pytest

from mind.model import Architecture
from tests.model.worlds import small_model


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"interests": 0}, "interests is 0"),
        ({"interests": 2.5}, "interests is 2.5"),
        ({"dimension": True}, "dimension is True"),
        ({"routing_iterations": 0}, "routing_iterations is 0"),
        ({"history_length": -1}, "history_length is -1"),
        ({"hidden_sizes": (8, 0)}, "hidden_sizes\\[1\\] is 0"),
        ({"profile_sizes": (4, 1)}, "profile_sizes\\[1\\] is 1"),
        ({"feature_sizes": ()}, "feature_sizes is empty"),
        ({"feature_sizes": (2,)}, "feature_sizes\\[0\\] is 2"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"embedding_scale": -1.0}, "embedding_scale is -1.0"),
        ({"mapping_scale": math.nan}, "mapping_scale is nan"),
        ({"attention_power": -1.0}, "attention_power is -1.0"),
        ({"attention_power": math.nan}, "attention_power is nan"),
        ({"negatives_scored_by": "all"}, "negatives_scored_by is 'all'"),
        ({"normalise": 1}, "normalise is 1"),
        ({"seed": -1}, "seed is -1"),
        ({"method": "bert4rec"}, "method is 'bert4rec'"),
        ({"method": "youtube_dnn"}, "interests is 3 with method 'youtube_dnn'"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"decorrelation": -0.1}, "decorrelation is -0.1"),
        ({"recency": 1}, "recency is 1"),
        ({"behaviour_time": None}, "behaviour_time is None"),
    ],
)
def test_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        small_model(**changes)


def test_json_and_back() -> None:
    for power in (0.0, 1.5, math.inf):
        architecture = small_model(attention_power=power).architecture
        assert Architecture.from_json(architecture.as_json()) == architecture
