"""Numbers of one benchmark do not lose those of another."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.bench.record import record


def test_values_are_merged_and_the_newer_one_wins(tmp_path: Path) -> None:
    file = tmp_path / "made" / "bench.json"
    record({"train.rows_per_s": 10.0, "tuples.s": 3.0}, file)
    record({"tuples.s": 2.0, "retrieve.1m.peak_gb": 1.5}, file)
    assert json.loads(file.read_text()) == {"retrieve.1m.peak_gb": 1.5, "train.rows_per_s": 10.0, "tuples.s": 2.0}
    assert [entry.name for entry in file.parent.iterdir()] == ["bench.json"]


@pytest.mark.parametrize("value", [math.nan, math.inf, True, "3"])
def test_what_is_no_finite_number_is_refused_and_nothing_changes(tmp_path: Path, value: object) -> None:
    file = tmp_path / "bench.json"
    record({"a": 1.0}, file)
    with pytest.raises(ValueError, match="finite"):
        record({"a": 2.0, "b": value}, file)  # type: ignore[dict-item]
    assert json.loads(file.read_text()) == {"a": 1.0}


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    file.write_text('{"a": {"b": 1}}')
    with pytest.raises(ValueError, match="flat object"):
        record({"a": 2.0}, file)
    assert file.read_text() == '{"a": {"b": 1}}'
