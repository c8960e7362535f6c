"""Who becomes champion: only who is better beyond doubt, and the alias moves last."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from mind.config import EvaluationSection, TrackingSection
from mind.errors import GateFailed, MindError
from mind.tracking.promotion import decide, promote
from mind.tracking.registry import CHALLENGER, CHAMPION, TRAINING_KEY, Registry, Version

DS = date(2011, 12, 8)
STEP = DS.toordinal()
SECTION = EvaluationSection(cutoffs=(10, 50), main_cutoff=50, batch_size=8)


def difference(other: str, found: float, low: float, high: float) -> dict[str, float]:
    key = f"test_over_{other}_hit_rate_at_50"
    return {key: found, f"{key}_low": low, f"{key}_high": high}


BETTER = {other: difference(other, 0.02, 0.001, 0.04) for other in ("popularity", CHAMPION)}
DOUBTFUL = {other: difference(other, 0.02, -0.001, 0.04) for other in ("popularity", CHAMPION)}


@pytest.mark.parametrize(("has_champion", "other"), [(False, "popularity"), (True, CHAMPION)])
def test_a_challenger_is_promoted_only_if_the_whole_interval_is_above_nothing(has_champion: bool, other: str) -> None:
    def verdict(metrics: dict[str, float]) -> bool:
        return decide(metrics, 50, has_champion=has_champion, is_champion=False).promoted

    assert verdict(BETTER[other])
    assert not verdict(DOUBTFUL[other])
    assert not verdict(difference(other, 0.0, 0.0, 0.0))
    assert not verdict(difference(other, -0.2, -0.3, -0.1))


def test_with_a_champion_popularity_does_not_decide() -> None:
    assert not decide(BETTER["popularity"] | DOUBTFUL[CHAMPION], 50, has_champion=True, is_champion=False).promoted
    assert decide(DOUBTFUL["popularity"] | BETTER[CHAMPION], 50, has_champion=True, is_champion=False).promoted


def test_the_champion_itself_is_not_promoted_again_and_needs_no_metric() -> None:
    verdict = decide({}, 50, has_champion=True, is_champion=True)
    assert not verdict.promoted
    assert verdict.why == "the challenger is the champion already"


def test_the_verdict_is_told_in_numbers() -> None:
    why = decide(BETTER[CHAMPION], 50, has_champion=True, is_champion=False).why
    assert why == "HitRate@50 differs from champion's by +0.0200 (95 % interval +0.0010 to +0.0400)"


@pytest.mark.parametrize("metrics", [{}, BETTER["popularity"]])
def test_a_challenger_that_was_not_evaluated_is_refused_with_what_to_run(metrics: dict[str, float]) -> None:
    with pytest.raises(MindError, match="test_over_champion_hit_rate_at_50 for this night; run evaluate first"):
        decide(metrics, 50, has_champion=True, is_champion=False)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "mlflow.db"


@pytest.fixture
def registry(database: Path, request: pytest.FixtureRequest) -> Registry:
    """A registry of its own for each test, all in one store: to make a store takes seconds."""
    name = request.node.name.split("[")[0]
    artifacts = str(database.parent / "artifacts")
    return Registry(TrackingSection(uri=f"sqlite:///{database}", artifacts=artifacts, experiment=name, model_name=name))


def registered(registry: Registry, key: str, metrics: dict[str, float], step: int = STEP) -> Version:
    """A version whose run has these test metrics of the night; it is the challenger."""
    with registry.run(key, {"rate": 0.1}, {TRAINING_KEY: key}) as run_id:
        registry.log(run_id, metrics, step)
    return registry.register(run_id, {TRAINING_KEY: key})


def champion(registry: Registry) -> str | None:
    held = registry.by_alias(CHAMPION)
    return held and held.number


def tags(registry: Registry) -> dict[str, str]:
    held = registry.need(CHALLENGER)
    return {name: held.tags[name] for name in ("promoted_on", "replaced", "why") if name in held.tags}


def test_champions_follow_each_other_and_each_says_whom_it_replaced(registry: Registry) -> None:
    first = registered(registry, "one", BETTER["popularity"])
    promote(registry, DS, STEP, SECTION)
    assert champion(registry) == first.number
    assert tags(registry) | {"why": ""} == {"promoted_on": "2011-12-08", "replaced": "none", "why": ""}

    registered(registry, "two", DOUBTFUL[CHAMPION])
    promote(registry, DS, STEP, SECTION)
    assert champion(registry) == first.number
    assert tags(registry) == {}

    third = registered(registry, "three", BETTER[CHAMPION])
    promote(registry, DS, STEP, SECTION)
    promote(registry, DS, STEP, SECTION)  # run again, it changes nothing
    assert champion(registry) == third.number
    assert tags(registry)["replaced"] == first.number
    assert "+0.0200" in tags(registry)["why"]


def test_without_a_champion_a_doubtful_challenger_fails_the_gate(registry: Registry) -> None:
    registered(registry, "one", DOUBTFUL["popularity"])
    with pytest.raises(GateFailed, match="may not become the first champion: HitRate@50 differs") as told:
        promote(registry, DS, STEP, SECTION)
    assert told.value.exit_code == 4
    assert champion(registry) is None


def test_metrics_of_another_night_do_not_count(registry: Registry) -> None:
    registered(registry, "one", BETTER["popularity"], step=STEP - 1)
    with pytest.raises(MindError, match="run evaluate first"):
        promote(registry, DS, STEP, SECTION)
    assert champion(registry) is None


def test_without_a_challenger_there_is_nothing_to_promote(registry: Registry) -> None:
    with pytest.raises(MindError, match=r"has no challenger .*run train first"):
        promote(registry, DS, STEP, SECTION)


@contextmanager
def refusing(database: Path, table: str) -> Iterator[None]:
    """A store in which nothing can be inserted into this table."""
    with sqlite3.connect(database) as store:
        store.execute(f"CREATE TRIGGER refuse BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'store is full'); END")
    try:
        yield
    finally:
        with sqlite3.connect(database) as store:
            store.execute("DROP TRIGGER refuse")


def test_the_alias_moves_last(registry: Registry, database: Path) -> None:
    first = registered(registry, "one", BETTER["popularity"])
    promote(registry, DS, STEP, SECTION)
    second = registered(registry, "two", BETTER[CHAMPION])
    with refusing(database, "model_version_tags"), pytest.raises(Exception, match="store is full"):
        promote(registry, DS, STEP, SECTION)
    assert champion(registry) == first.number, "the alias moved before it was written down why"
    promote(registry, DS, STEP, SECTION)
    assert champion(registry) == second.number
    assert tags(registry)["replaced"] == first.number


def test_a_version_is_found_by_what_it_was_made_from(registry: Registry) -> None:
    assert registry.by_key("one") is None
    first = registered(registry, "one", {})
    registered(registry, "two", {})
    assert registry.by_key("one") == first
    assert registry.by_key("on") is None


def test_a_run_whose_body_raises_is_failed(registry: Registry) -> None:
    with pytest.raises(KeyboardInterrupt), registry.run("one", {}, {TRAINING_KEY: "one"}) as run_id:
        raise KeyboardInterrupt
    assert registry._client.get_run(run_id).info.status == "FAILED"


def test_metrics_of_a_step_are_its_own_and_the_last_of_each(registry: Registry) -> None:
    with registry.run("one", {}, {TRAINING_KEY: "one"}) as run_id:
        registry.log(run_id, {"loss": 1.0, "hits": 0.5}, 1)
        registry.log(run_id, {"loss": 2.0}, 2)
        registry.log(run_id, {"loss": 3.0}, 2)
    assert registry.metrics(run_id, 1) == {"loss": 1.0, "hits": 0.5}
    assert registry.metrics(run_id, 2) == {"loss": 3.0}
