"""`jobs/train.py` under torchrun: one version from one training, nothing pickled, every number logged."""

from __future__ import annotations

from pathlib import Path

import pytest

from mind.model import load as load_model
from mind.storage.tuple_files import read_catalogue
from mind.tracking.registry import CHALLENGER, TRAINING_KEY
from mind.training.assessment import Assessment, assess, step_of
from mind.training.night import by_position, training_key
from mind.training.yardstick import HeldRows, Yardstick
from tests.training.conftest import train
from tests.training.small_night import DS, HISTORY_DAYS, Trained

ROOT = Path(__file__).resolve().parent.parent.parent


def test_one_version_is_registered_and_a_second_run_uses_it_again(trained: Trained) -> None:
    versions = trained.client.search_model_versions("name = 'mind'")
    assert [version.version for version in versions] in ([1], ["1"])
    assert trained.registry.need(CHALLENGER).number == "1"
    assert "version 1 registered as challenger" in trained.printed[0]
    assert "version 1 was trained from the same tuples and configuration; it is used again" in trained.printed[1]
    experiment = trained.client.get_experiment_by_name("mind").experiment_id
    finished = trained.client.search_runs([experiment], "attributes.status = 'FINISHED'")
    assert [run.info.run_id for run in finished] == [trained.registry.need(CHALLENGER).run_id]


def test_the_version_says_what_it_was_made_from(trained: Trained) -> None:
    held = trained.registry.need(CHALLENGER)
    model, description = load_model(trained.registry.folder(held))
    assert held.tags[TRAINING_KEY] == training_key(trained.manifest, trained.config.model, trained.config.training, 0)
    assert held.tags["weights_sha256"] == description["weights_sha256"]
    assert held.tags["tuples"] == trained.manifest.content == description["extra"]["tuples"]
    assert description["extra"]["vocabulary"] == trained.manifest.vocabulary
    assert description["extra"]["history_days"] == trained.manifest.history_days == HISTORY_DAYS
    assert description["extra"]["item_features"] == ["item_id", "colour"]
    assert model.architecture.feature_sizes == (40, 5)


def test_nothing_is_pickled(trained: Trained) -> None:
    files = [file for file in (trained.folder / "artifacts").rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".safetensors", ".json"}


def test_parameters_and_metrics_of_each_epoch_are_logged(trained: Trained) -> None:
    run_id = trained.registry.need(CHALLENGER).run_id
    run = trained.client.get_run(run_id)
    assert run.info.status == "FINISHED"
    given = {**trained.config.model.model_dump(), **trained.config.training.model_dump(), "ds": DS}
    assert run.data.params == {name: str(value) for name, value in given.items()}
    for metric in ("loss", "validation_hit_rate_at_5", "validation_hit_rate_at_10", "rows_per_second"):
        assert [point.step for point in trained.client.get_metric_history(run_id, metric)] == [1, 2], metric
    curves = trained.registry.curves(run_id, main_cutoff=5)
    assert set(curves) >= {"loss", "validation HitRate@5"}
    assert {len(values) for values in curves.values()} == {2}


def test_tuples_of_another_number_of_targets_are_refused_with_the_step_to_run(trained: Trained) -> None:
    done = train(trained.folder, "tuples.next_targets=3")
    assert done.returncode != 0
    told = f"tuples.next_targets is 3, the tuples of {DS} were built with 1; run build_tuples --ds {DS} again"
    assert told in done.stdout + done.stderr
    assert len(trained.client.search_model_versions("name = 'mind'")) == 1


def test_a_run_left_behind_is_marked_killed_and_those_of_others_are_left_alone(trained: Trained) -> None:
    assert trained.client.get_run(trained.left_behind).info.status == "KILLED"
    assert trained.client.get_run(trained.of_others).info.status == "RUNNING"


def test_a_challenger_is_assessed_beside_popularity_under_the_step_of_the_night(trained: Trained) -> None:
    counts_V, ties_V = by_position(trained.manifest, read_catalogue(trained.manifest))
    yardstick = Yardstick(
        manifest=trained.manifest, counts_V=counts_V, tie_order_V=ties_V, section=trained.config.evaluation
    )
    assessment = Assessment(HeldRows(trained.manifest, yardstick))
    assess(assessment, trained.registry, DS)
    logged = trained.registry.metrics(trained.registry.need(CHALLENGER).run_id, step_of(DS))
    assert logged["test_rows"] == logged["popularity_rows"] == 31
    difference = logged["test_hit_rate_at_5"] - logged["popularity_hit_rate_at_5"]
    assert logged["test_over_popularity_hit_rate_at_5"] == pytest.approx(difference)
    assert (
        logged["test_over_popularity_hit_rate_at_5_low"]
        <= difference
        <= logged["test_over_popularity_hit_rate_at_5_high"]
    )
    assert not [name for name in logged if "champion" in name]
