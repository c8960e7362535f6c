"""The map of the items against the definition, and the times of the steps from lines of real logs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pyspark.sql import Row, SparkSession

from mind.report.item_map import item_map, principal_axes
from mind.report.timings import lines_of, rows_read, seconds_by_step

MATRICES = st.integers(2, 6).flatmap(
    lambda size: arrays(np.float64, st.tuples(st.integers(2, 12), st.just(size)), elements=st.integers(-5, 5))
)


@given(MATRICES)
def test_no_two_directions_hold_more_of_the_variance(vectors_VD: np.ndarray) -> None:
    centre_D, axes_2D, explained = principal_axes(vectors_VD)
    spread_VD = vectors_VD - centre_D
    values = np.linalg.eigvalsh(spread_VD.T @ spread_VD)[::-1]
    shown = ((spread_VD @ axes_2D.T) ** 2).sum()
    assert np.isclose(shown, values[:2].sum(), atol=1e-6)
    assert np.isclose(explained * values.sum(), shown, atol=1e-6)
    assert np.allclose(axes_2D @ axes_2D.T, np.diag(np.diag(axes_2D @ axes_2D.T)), atol=1e-9)


def test_a_users_items_are_on_the_map_even_where_the_sample_leaves_them_out(spark: SparkSession) -> None:
    numbers = spark.range(40, numPartitions=1)
    vector = "array(float(id), float(id * id % 7), 1f) AS vector"
    item_vectors = numbers.selectExpr("concat('i', id) AS item_id", vector)
    items = numbers.selectExpr("concat('i', id) AS item_id", "int(id + 2) AS item_index")
    user = Row(
        user_id="u",
        history=[0, 3, 4, 3],
        item_ids=["i7", "i9"],
        scores=[0.9, 0.8],
        interest_of_origin=[1, 0],
        interests=[[1.0, 1.0, 1.0], [2.0, 1.0, 1.0]],
    )
    whole = item_map(item_vectors, items, 40, [user])
    assert whole is not None
    assert len(whole.items) == 40
    assert (len(whole.interests), len(whole.behaviours), [origin for origin, _ in whole.candidates]) == (2, 2, [1, 0])
    ids = sorted(f"i{number}" for number in range(40))
    assert whole.candidates[0][1] == whole.items[ids.index("i7")]
    few = item_map(item_vectors, items, 40 * 150, [user])  # as if these were a hundred and fiftieth of all
    assert few is not None
    assert len(few.items) < 40
    assert len(few.candidates) == 2


def test_the_last_time_of_each_step_counts_and_a_broken_line_does_not(tmp_path: Path) -> None:
    def text(step: str, moment: str, **more: object) -> str:
        held = {"time": moment, "step": step, "ds": "2011-12-08", "message": "done", "seconds": 1.0}
        return json.dumps(held | more) + "\n"

    first = text("train", "2", seconds=9.0) + text("ingest", "1", seconds=3.0) + text("ingest", "1", message="started")
    (tmp_path / "a.jsonl").write_text(first + text("publish", "1", ds="2011-12-07"))
    (tmp_path / "b.jsonl").write_text(
        text("train", "1", seconds=5.0) + text("ingest", "4", seconds=4.0) + '{"time": "5'
    )
    lines = lines_of(str(tmp_path), "2011-12-08")
    assert list(seconds_by_step(lines, ["ingest", "train", "publish"]).items()) == [("ingest", 4.0), ("train", 9.0)]
    assert lines_of("", "2011-12-08") == lines_of(f"{tmp_path}/no", "2011-12-08") == []


def test_the_rows_of_the_last_ingest_count(tmp_path: Path) -> None:
    held = {"step": "ingest", "ds": "2011-12-08", "message": "rows", "rows_kept": 5, "rows_refused": 2}
    told = [held | {"time": moment, "rows_read": rows} for moment, rows in (("2", 7), ("1", 70))]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in told))
    lines = lines_of(str(tmp_path), "2011-12-08")
    assert rows_read(lines) == {"rows_read": 7, "rows_kept": 5, "rows_refused": 2}
    assert rows_read([]) == {}
