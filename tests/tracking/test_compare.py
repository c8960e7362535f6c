"""`jobs/compare.py` with real models and a real store: the alias moves to the better one, and back."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from mind.config import load
from mind.errors import MindError
from mind.storage.tuple_files import read_catalogue
from mind.tables.manifest import Manifest
from mind.tracking.lineage import resolved
from mind.tracking.promotion import LATENCY, RECORD
from mind.tracking.registry import CHAMPION, Registry
from mind.training.assessment import step_of
from mind.training.comparison import challengers
from mind.training.night import night_of
from mind.training.session import train_and_register
from tests.training.small_night import DS, HISTORY_LENGTH, ITEMS, write_file, write_night

ROOT = Path(__file__).resolve().parent.parent.parent
OTHER = DS + timedelta(days=1)
ROWS = 300
LEARNS = ["training.epochs=12", "training.learning_rate=0.03", "training.batch_size=32"]


def with_habit(folder: Path, manifest: Manifest, ds: date, *, stays: bool) -> Manifest:
    """A night on which everybody's next item is of the half of the history, or always of the other half."""
    lake = folder / "lake" / "tuples" / f"ds={ds}"
    random = np.random.default_rng(ds.toordinal())
    catalogue = read_catalogue(manifest)
    colours = dict(zip(catalogue["item_index"].to_pylist(), catalogue["item_codes"].to_pylist(), strict=True))
    splits = {}
    for split in ("train", "validation", "test"):
        history, target = [], []
        for _ in range(ROWS):
            halves = [range(2, ITEMS // 2), range(ITEMS // 2, ITEMS)]
            side = int(random.integers(0, 2))
            history.append(random.choice(halves[side], HISTORY_LENGTH).tolist())
            target.append(colours[int(random.choice(halves[side if stays else 1 - side]))])
        splits[split] = [write_file(lake / f"{split}.parquet", history, [[1]] * ROWS, target)]
    made = manifest.model_copy(update={"ds": ds.isoformat(), "content": f"content of {ds}", "splits": splits})
    (lake / "manifest.json").write_text(json.dumps(made.model_dump()))
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """A store with version 1, made from the first night, and version 2, made from the other."""
    place = tmp_path_factory.mktemp("compare")
    shutil.copy(empty_store, place)
    catalogue = write_night(place)
    for ds, stays in ((DS, True), (OTHER, False)):
        manifest = with_habit(place, catalogue, ds, stays=stays)
        config = load([place / "night.toml"], LEARNS, default=ROOT / "conf/default.toml")
        night, registry = night_of(manifest, read_catalogue(manifest)), Registry(config.tracking)
        settings = resolved(dict(config))
        train_and_register(night, ds, registry, config.model, config.training, config.evaluation, settings)
    return place


@pytest.fixture
def registry(folder: Path) -> Registry:
    return Registry(load([folder / "night.toml"], default=ROOT / "conf/default.toml").tracking)


def compare(monkeypatch: pytest.MonkeyPatch, folder: Path, ds: date, *more: str) -> None:
    words = ["--ds", ds.isoformat(), "--config", str(folder / "night.toml"), "--set", "logs.folder="]
    # Neither whoever else uses this machine nor the capsules and lists of so small a model shall decide.
    for rule in ("latency_ratio=1000.0", "capsule_cosine_rise=2.0", "merged_share_rise=1.0", "coverage_loss=1.0"):
        words += ["--set", f"promotion.{rule}"]
    monkeypatch.setattr(sys, "argv", ["jobs/compare.py", *words, *more])
    monkeypatch.chdir(ROOT)
    runpy.run_path("jobs/compare.py", run_name="__main__")


def test_the_alias_moves_to_the_better_version_and_back(
    monkeypatch: pytest.MonkeyPatch, folder: Path, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    def champion() -> str:
        return registry.need(CHAMPION).number

    compare(monkeypatch, folder, DS, "--versions=1")
    assert champion() == "1"
    compare(monkeypatch, folder, DS)  # the challenger is version 2, and has learned another habit
    assert champion() == "1"
    capsys.readouterr()

    compare(monkeypatch, folder, OTHER)
    assert champion() == "2"
    told = capsys.readouterr().out
    assert "version 1 (champion)" in told
    for row in ("hit_rate_at_5 ", "capsule_mean_cosine", "size_bytes", "latency_ms_per_user", "must be at most"):
        assert row in told, row
    held = registry.need(CHAMPION)
    assert (held.tags["promoted_on"], held.tags["replaced"]) == (OTHER.isoformat(), "1")
    logged = registry.metrics(held.run_id, step_of(OTHER))
    assert logged["test_over_champion_hit_rate_at_5_low"] > 0
    assert logged["test_size_bytes"] > 1000

    compare(monkeypatch, folder, DS, "--versions", "2,1")
    assert champion() == "1", "on the first night version 1 is better, so it comes back"
    assert registry.need(CHAMPION).tags["replaced"] == "2"
    compare(monkeypatch, folder, OTHER, "--set", "promotion.size_ratio=0.5")
    assert champion() == "1", "better, but too large"
    run = registry.newest_run("comparison", OTHER.isoformat())
    assert run is not None
    verdict = registry.read_json(run["run_id"], RECORD)["verdicts"]["2"]
    assert [rule["name"] for rule in verdict["rules"] if not rule["passed"]] == ["size_bytes"]


@pytest.mark.slow
def test_a_comparison_on_spark_says_the_same(
    monkeypatch: pytest.MonkeyPatch, folder: Path, registry: Registry, spark: SparkSession
) -> None:
    def judged(*more: str) -> tuple[dict[str, dict[str, float]], dict[str, list[float]]]:
        compare(monkeypatch, folder, DS, "--versions=1,2", *more)
        run = registry.newest_run("comparison", DS.isoformat())
        assert run is not None
        told = registry.read_json(run["run_id"], RECORD)
        metrics = {name: dict(found) for name, found in told["metrics"].items()}
        assert [found.pop(LATENCY, 0) > 0 for found in metrics.values()].count(True) == 2
        return metrics, told["differences"]

    compare(monkeypatch, folder, DS, "--versions=1")  # so that both are measured against the same champion
    assert judged("--set", "evaluation.on_spark=true") == judged()


def test_a_version_says_what_it_was_made_from_and_by(folder: Path, registry: Registry) -> None:
    run = registry._client.get_run(registry.numbered("2").run_id)
    assert run.data.tags["tuples"] == f"content of {OTHER}"
    assert {"vocabulary", "git_commit", "code_version", "python", "torch", "seed", "cutoffs"} <= set(run.data.tags)
    kept = registry.read_json(run.info.run_id, "configuration.json")
    assert kept["training"]["epochs"] == 12
    assert registry.numbered("2").tags["tuples"] == f"content of {OTHER}"


@pytest.mark.parametrize(("asked", "told"), [("1,x", "'x'"), ("1,,2", "''"), ("99", "no version 99")])
def test_versions_that_are_none_are_refused(registry: Registry, asked: str, told: str) -> None:
    with pytest.raises(MindError, match=told):
        challengers(registry, asked)
