"""The measures of a night on a world so small that every rank can be found by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray

from mind.config import EvaluationSection
from mind.errors import BrokenPromise
from mind.evaluation import evaluate, top_lists
from mind.model import MIND, best_scores, save
from mind.tables import names as n
from mind.tables.manifest import Manifest
from mind.tracking.promotion import POPULARITY
from mind.training.assessment import Assessment
from mind.training.comparison import fitness
from mind.training.loader import TENSORS, columns_of, read_split
from mind.training.night import by_position, night_of
from mind.training.scoring import ModelScorer, evaluation_batches
from mind.training.yardstick import HeldRows, Yardstick
from tests.training.small_night import manifest_of, write_file

SECTION = EvaluationSection(cutoffs=(1, 2), main_cutoff=2, batch_size=2, filter_seen=False, on_spark=False)
COUNTS = np.array([5, 9, 5, 0])
"""Of the items 2 to 5: popularity ranks them 3, then 2 or 4 by item id, then 5."""
TARGETS = [3, 4, 2, 5, 4]


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    history = [[2, 3], [5, 0], [4, 4], [3, 0], [2, 5]]
    file = write_file(tmp_path / "test.parquet", history, [[1]] * 5, [[target] for target in TARGETS], group=2)
    facts = {"item_features": {n.ITEM_ID: 6}, "profile_features": {"country": 3}}
    return manifest_of([], splits={"train": [], "validation": [], "test": [file]}, **facts)


def small_model(items: int, behaviour_time: bool = False) -> MIND:
    return MIND(
        item_features_VF=torch.arange(items).unsqueeze(1),
        feature_sizes=[items],
        profile_sizes=[2],
        history_length=2,
        dimension=4,
        interests=2,
        hidden_sizes=(5,),
        seed=3,
        behaviour_time=behaviour_time,
    )


def assessed(
    manifest: Manifest, counts_V: NDArray[np.int64], ties_V: NDArray[np.int64], section: EvaluationSection = SECTION
) -> Assessment:
    stick = Yardstick(manifest=manifest, counts_V=counts_V, tie_order_V=ties_V, section=section)
    return Assessment(HeldRows(manifest, stick))


def catalogue(ids: list[str]) -> pa.Table:
    return pa.table(
        {
            n.ITEM_INDEX: pa.array(range(2, 2 + len(ids)), pa.int32()),
            n.ITEM_ID: ids,
            n.ITEM_CODES: pa.array([[index] for index in range(2, 2 + len(ids))], pa.list_(pa.int32())),
            n.BEHAVIOURS: pa.array(COUNTS[: len(ids)], pa.int64()),
        }
    )


@pytest.mark.parametrize(
    ("ids", "hits", "ndcg_at_2"),
    [
        # item 2 before item 4: ranks 1, 3, 2, 4, 3
        (["a", "x", "b", "y"], (1 / 5, 2 / 5), (1 + 1 / np.log2(3)) / 5),
        # item 4 before item 2: ranks 1, 2, 3, 4, 2
        (["b", "x", "a", "y"], (1 / 5, 3 / 5), (1 + 2 / np.log2(3)) / 5),
    ],
)
def test_popularity_hits_what_the_counts_say_and_ties_go_by_item_id(
    manifest: Manifest, ids: list[str], hits: tuple[float, float], ndcg_at_2: float
) -> None:
    counts_V, ties_V = by_position(manifest, catalogue(ids))
    found = assessed(manifest, counts_V, ties_V).metrics(POPULARITY)
    assert found["rows"] == 5
    assert (found["hit_rate_at_1"], found["hit_rate_at_2"]) == pytest.approx(hits)
    assert found["ndcg_at_2"] == pytest.approx(ndcg_at_2)


def ranks_by_hand(model: MIND, history: list[list[int]], known: int, ages: list[list[int]] | None = None) -> list[int]:
    """Of each target by a loop over items; items above `known` come last, by their place."""
    ranks = []
    for place, (row, target) in enumerate(zip(history, TARGETS, strict=True)):
        age_BL = None if ages is None else torch.tensor(ages[place : place + 1])
        interests = model.interests(torch.tensor([row]), torch.tensor([[1]]), age_BL=age_BL)
        scores = []
        for item in range(2, 6):
            vector = model.item_vectors(torch.tensor([item])) if item <= known else None
            scores.append(-np.inf if vector is None else float(best_scores(interests, vector)))
        order = sorted(range(4), key=lambda place: (-scores[place], place))
        ranks.append(order.index(target - 2) + 1)
    return ranks


@pytest.mark.parametrize("known", [5, 4, 3])
def test_a_model_is_measured_as_a_loop_over_all_items_says_and_unknown_items_come_last(
    tmp_path: Path, manifest: Manifest, known: int
) -> None:
    model = small_model(known + 1)
    history = [[item if item <= known else 0 for item in row] for row in ([2, 3], [5, 0], [4, 4], [3, 0], [2, 5])]
    with torch.no_grad():
        wanted = np.array(ranks_by_hand(model, history, known))
    save(model, tmp_path / "model", {})
    assessment = assessed(manifest, COUNTS, np.arange(4))
    assessment.add("model", tmp_path / "model")
    found = assessment.metrics("model")
    assert (found["hit_rate_at_1"], found["hit_rate_at_2"]) == pytest.approx(
        ((wanted <= 1).mean(), (wanted <= 2).mean())
    )
    popularity = np.array([1, 3, 2, 4, 3])
    difference = assessment.difference("model", POPULARITY)
    assert difference["over_popularity_hit_rate_at_2"] == pytest.approx((wanted <= 2).mean() - (popularity <= 2).mean())
    assert difference["over_popularity_hit_rate_at_2_low"] <= difference["over_popularity_hit_rate_at_2_high"]


def test_seen_items_do_not_compete_where_the_configuration_says_so(tmp_path: Path) -> None:
    """Histories and targets: of the four rows one asks for a seen item and is left out, by all counts of rows."""
    history = [[2, 3], [5, 0], [4, 4], [3, 0]]
    file = write_file(tmp_path / "test.parquet", history, [[1]] * 4, [[4], [4], [4], [2]], group=2)
    facts = {"item_features": {n.ITEM_ID: 6}, "profile_features": {"country": 3}}
    night = manifest_of([], splits={"train": [], "validation": [], "test": [file]}, **facts)
    save(small_model(6), tmp_path / "model", {})
    filtered = SECTION.model_copy(update={"filter_seen": True})
    found = {section.filter_seen: assessed(night, COUNTS, np.arange(4), section) for section in (SECTION, filtered)}
    # By popularity: 3, then 2, then 4, then 5. Without filter 4 has rank 3 for all and 2 has rank 2; with it 4 has
    # rank 1 after [2, 3] and 3 after [5], and 2 rank 1 after [3].
    assert found[False].metrics(POPULARITY)["rows"] == 4
    assert found[False].metrics(POPULARITY)["hit_rate_at_2"] == 1 / 4
    assert found[True].metrics(POPULARITY)["rows"] == 3
    assert found[True].metrics(POPULARITY)["hit_rate_at_1"] == 2 / 3
    assert found[True].metrics(POPULARITY)["hit_rate_at_2"] == 2 / 3
    found[True].add("model", tmp_path / "model")
    assert found[True].metrics("model")["rows"] == 3
    assert found[True].difference("model", "model")["over_model_hit_rate_at_2"] == 0


def test_what_the_lists_hold_and_who_is_served_by_hand(tmp_path: Path, manifest: Manifest) -> None:
    """Popularity shows the items 3 and 2 to everybody; ranks of the targets are 1, 3, 2, 4, 3."""
    told = assessed(manifest, COUNTS, np.arange(4)).metrics(POPULARITY)
    assert told["coverage_at_2"] == 2 / 4
    assert told["gini_at_2"] == 1 / 2
    assert told["top_1_per_cent_share_at_2"] == 1 / 2
    assert "diversity_at_2" not in told
    groups = {name: value for name, value in told.items() if name.startswith(("hit_rate_at_2_", "rows_"))}
    assert groups == {
        # Three counted items lie in the deciles 1, 4 and 7: 3, then 2, then 4. Item 5 was never chosen.
        "hit_rate_at_2_decile_01": 1,
        "rows_decile_01": 1,
        "hit_rate_at_2_decile_04": 1,
        "rows_decile_04": 1,
        "hit_rate_at_2_decile_07": 0,
        "rows_decile_07": 2,
        "hit_rate_at_2_cold": 0,
        "rows_cold": 1,
        # The histories of the second and of the fourth row have one behaviour.
        "hit_rate_at_2_history_from_01": 0,
        "rows_history_from_01": 2,
        "hit_rate_at_2_history_from_02": 2 / 3,
        "rows_history_from_02": 3,
    }


@pytest.mark.parametrize("known", [6, 4, 3])
def test_diversity_is_that_of_the_models_own_vectors(tmp_path: Path, manifest: Manifest, known: int) -> None:
    """Of one known item no list of two can be made: then there is no diversity."""
    model = small_model(known)
    save(model, tmp_path / "model", {})
    assessment = assessed(manifest, COUNTS, np.arange(4))
    assessment.add("model", tmp_path / "model")
    found = assessment.metrics("model").get("diversity_at_2")
    if known == 3:
        assert found is None
        return
    with torch.no_grad():
        vectors = model.item_vectors(torch.arange(2, known)).numpy()
    batches = list(evaluation_batches(read_split(manifest, "test", TENSORS), 5))
    lists = top_lists(ModelScorer(model, 4).scores(batches[0]), 2)
    cosines = [vectors[one] @ vectors[other] for one, other in lists]
    assert found == pytest.approx(1 - np.mean(cosines), abs=1e-5)


def test_a_model_of_ages_is_measured_with_them_and_refused_without(tmp_path: Path, manifest: Manifest) -> None:
    """Beside a model without: old behaviours get no weight, so that the last one alone decides."""
    model = small_model(6, behaviour_time=True)
    with torch.no_grad():
        model.behaviour_time.log_weight_A[20] = -60.0
    save(model, tmp_path / "model", {})
    with pytest.raises(BrokenPromise, match=r"24 buckets.*have none; run build_tuples .*behaviour_time=true"):
        assessed(manifest, COUNTS, np.arange(4)).add("model", tmp_path / "model")
    history, ages = [[2, 3], [5, 0], [4, 4], [3, 0], [2, 5]], [[20, 1], [1, 0], [20, 1], [1, 0], [20, 1]]
    targets = [[target] for target in TARGETS]
    file = write_file(tmp_path / "aged.parquet", history, [[1]] * 5, targets, group=2, ages=ages)
    aged = manifest.model_copy(update={"splits": {**manifest.splits, "test": [file]}, "age_buckets": 24})
    assessment = assessed(aged, COUNTS, np.arange(4))
    assessment.add("model", tmp_path / "model")
    with torch.no_grad():
        wanted = np.array(ranks_by_hand(model, history, 5, ages))
    assert assessment.metrics("model")["hit_rate_at_2"] == pytest.approx((wanted <= 2).mean())
    found = fitness(tmp_path / "model", read_split(aged, "test", columns_of(aged)))
    assert found["latency_ms_per_user"] > 0


def test_a_model_that_equals_itself_differs_by_nothing(tmp_path: Path, manifest: Manifest) -> None:
    save(small_model(6), tmp_path / "model", {})
    assessment = assessed(manifest, COUNTS, np.arange(4))
    assessment.add("one", tmp_path / "model")
    assessment.add("two", tmp_path / "model")
    assert set(assessment.difference("one", "two").values()) == {0.0}


def test_an_unknown_item_gets_the_last_place_for_everybody() -> None:
    rows = {n.HISTORY: np.array([[2, 3], [3, 0]], np.int32), n.PROFILE: np.array([[1], [0]], np.int32)}
    rows[n.TARGET] = np.array([[5], [5]], np.int32)
    scorer = ModelScorer(small_model(5), catalogue_size=4)
    scores = scorer.scores({name: rows[name] for name in (n.HISTORY, n.PROFILE)})
    assert scores.shape == (2, 4)
    assert (scores[:, 3:] < scores[:, :3].min(axis=1, keepdims=True)).all()
    assert evaluate(scorer, evaluation_batches(rows, 8), catalogue_size=4).tolist() == [4, 4]


def test_a_model_that_knows_more_than_the_catalogue_is_cut_to_it() -> None:
    batch = {n.HISTORY: np.array([[2, 7]], np.int32), n.PROFILE: np.array([[1]], np.int32)}
    assert ModelScorer(small_model(9), catalogue_size=4).scores(batch).shape == (1, 4)


def test_a_catalogue_that_repeats_or_exceeds_the_items_breaks_the_promise(manifest: Manifest) -> None:
    whole = catalogue(["a", "b", "c", "d"])
    assert night_of(manifest, whole).counts_V.tolist() == [0, 0, *COUNTS]
    assert night_of(manifest, whole.slice(0, 2)).item_codes_VF[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    for wrong in (
        pa.concat_tables([whole, whole.slice(3)]),
        catalogue(["a", "b", "c", "d"]).append_column("x", [[1] * 4]),
    ):
        if wrong.num_rows == 4:
            wrong = wrong.set_column(0, n.ITEM_INDEX, pa.array([2, 3, 4, 6], pa.int32()))
        with pytest.raises(BrokenPromise, match="run build_tuples again"):
            night_of(manifest, wrong)
