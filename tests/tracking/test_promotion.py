"""Who becomes champion: only who is better beyond doubt, and the alias moves last."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from mind.config import TrackingSection
from mind.errors import BrokenPromise, GateFailed
from mind.recommending import PromotionSection
from mind.tracking.promotion import POPULARITY, RECORD, Comparison, Verdict, judge, promote, promoted
from mind.tracking.registry import CHALLENGER, CHAMPION, TRAINING_KEY, Registry, Version

DS = date(2011, 12, 8)
SECTION = PromotionSection(
    minimum_gain=0.0,
    coverage_loss=0.1,
    capsule_cosine_rise=0.1,
    merged_share_rise=0.1,
    size_ratio=2.0,
    latency_ratio=3.0,
    sample_rows=8,
)
BETTER, DOUBTFUL = (0.02, 0.001, 0.04), (0.02, -0.001, 0.04)
GOOD = {
    "hit_rate_at_50": 0.2,
    "coverage_at_50": 0.5,
    "capsule_mean_cosine": 0.4,
    "capsule_merged_share": 0.0,
    "size_bytes": 1000.0,
    "latency_ms_per_user": 0.1,
}


def compared(champion: str | None, differences: dict[str, tuple[float, float, float]], **changed: float) -> Comparison:
    """A comparison in which all versions measure alike, but for what the challengers have changed."""
    metrics = {POPULARITY: {"hit_rate_at_50": 0.1}, **({} if champion is None else {champion: GOOD})}
    return Comparison(
        ds=DS.isoformat(),
        tuples="content",
        rows=31,
        main_cutoff=50,
        champion=champion,
        metrics=metrics | dict.fromkeys(differences, GOOD | changed),
        differences=differences,
    )


def verdict(champion: str | None, difference: tuple[float, float, float], **changed: float) -> Verdict:
    return judge(compared(champion, {"7": difference}, **changed), SECTION)["7"]


def failed(found: Verdict) -> list[str]:
    return [rule.name for rule in found.rules if not rule.passed]


@pytest.mark.parametrize(("champion", "rival"), [(None, "popularity"), ("3", "version 3")])
def test_a_challenger_passes_only_if_the_whole_interval_is_above_nothing(champion: str | None, rival: str) -> None:
    assert verdict(champion, BETTER).passed
    for difference in (DOUBTFUL, (0.0, 0.0, 0.0), (-0.2, -0.3, -0.1)):
        assert failed(verdict(champion, difference)) == [f"hit_rate_at_50 over {rival}, low end"]


@pytest.mark.parametrize(
    ("measure", "at_the_limit", "beyond"),
    [
        ("coverage_at_50", 0.45, 0.449),
        ("capsule_mean_cosine", 0.5, 0.501),
        ("capsule_merged_share", 0.1, 0.101),
        ("size_bytes", 2000.0, 2001.0),
        ("latency_ms_per_user", 3 * 0.1, 0.31),
    ],
)
def test_each_rule_holds_at_its_limit_and_fails_beyond_it(measure: str, at_the_limit: float, beyond: float) -> None:
    assert verdict("3", BETTER, **{measure: at_the_limit}).passed
    assert failed(verdict("3", BETTER, **{measure: beyond})) == [measure]
    assert verdict(None, BETTER, **{measure: beyond}).passed, "without a champion there is nothing to compare with"


def test_a_model_whose_capsules_cannot_be_compared_is_judged_by_the_other_rules() -> None:
    found = compared("3", {"7": BETTER})
    alone = {name: value for name, value in GOOD.items() if not name.startswith("capsule_")}
    one_interest = Comparison(**{**vars(found), "metrics": dict(found.metrics) | {"7": alone}})
    rules = {rule.name: rule.says for rule in judge(one_interest, SECTION)["7"].rules}
    assert rules["capsule_mean_cosine"] == rules["capsule_merged_share"] == "does not apply"
    assert rules["size_bytes"] == "must be at most"
    assert judge(one_interest, SECTION)["7"].passed


def test_the_verdict_is_told_in_numbers() -> None:
    why = "HitRate@50 differs from version 3's by +0.0200 (95 % interval +0.0010 to +0.0400)"
    assert verdict("3", BETTER).why == why
    assert verdict("3", BETTER, size_bytes=4000.0).why == f"{why}; size_bytes is 4000, must be at most 2000"


def test_of_several_that_pass_the_best_is_chosen_and_of_equals_the_oldest() -> None:
    found = compared("3", {"10": BETTER, "9": BETTER, "4": DOUBTFUL})
    assert promoted(found, judge(found, SECTION)) == "9"
    better = {**found.metrics, "10": GOOD | {"hit_rate_at_50": 0.21}, "4": GOOD | {"hit_rate_at_50": 0.9}}
    found = Comparison(**{**vars(found), "metrics": better})
    assert promoted(found, judge(found, SECTION)) == "10"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    return Path(shutil.copy(empty_store, tmp_path_factory.mktemp("promotion")))


@pytest.fixture
def registry(database: Path, request: pytest.FixtureRequest) -> Registry:
    """A registry of its own for each test, all in one store."""
    name = request.node.name.split("[")[0]
    artifacts = str(database.parent / "artifacts")
    return Registry(TrackingSection(uri=f"sqlite:///{database}", artifacts=artifacts, experiment=name, model_name=name))


def registered(registry: Registry, key: str) -> Version:
    """A version that is the challenger."""
    with registry.run(key, {"rate": 0.1}, {TRAINING_KEY: key}) as run_id:
        pass
    return registry.register(run_id, {TRAINING_KEY: key})


def decide(registry: Registry, version: Version, difference: tuple[float, float, float]) -> None:
    """Compare the version with whoever is champion, with this outcome."""
    found = compared(champion(registry), {version.number: difference})
    promote(registry, DS, found, judge(found, SECTION))


def champion(registry: Registry) -> str | None:
    held = registry.by_alias(CHAMPION)
    return held and held.number


def tags(registry: Registry) -> dict[str, str]:
    held = registry.need(CHALLENGER)
    return {name: held.tags[name] for name in ("promoted_on", "replaced", "why") if name in held.tags}


def test_champions_follow_each_other_and_each_says_whom_it_replaced(registry: Registry) -> None:
    first = registered(registry, "one")
    decide(registry, first, BETTER)
    assert champion(registry) == first.number
    assert tags(registry) | {"why": ""} == {"promoted_on": "2011-12-08", "replaced": "none", "why": ""}

    second = registered(registry, "two")
    decide(registry, second, DOUBTFUL)
    assert champion(registry) == first.number
    assert tags(registry) == {}
    assert "-0.0010" in registry.numbered(second.number).tags["verdict"]
    run = registry.newest_run("comparison", DS.isoformat())
    assert run is not None
    assert (run["champion_before"], run["promoted"]) == (first.number, "none")

    third = registered(registry, "three")
    decide(registry, third, BETTER)
    assert champion(registry) == third.number
    assert tags(registry)["replaced"] == first.number
    assert "+0.0200" in tags(registry)["why"]
    run = registry.newest_run("comparison", DS.isoformat())
    assert run is not None
    assert (run["champion_before"], run["promoted"]) == (first.number, third.number)
    kept = registry.read_json(run["run_id"], RECORD)
    assert kept["verdicts"][third.number]["passed"]
    assert {rule["name"]: rule["limit"] for rule in kept["verdicts"][third.number]["rules"]}["size_bytes"] == 2000.0


def test_without_a_champion_a_doubtful_challenger_fails_the_gate(registry: Registry) -> None:
    version = registered(registry, "one")
    with pytest.raises(GateFailed, match="version 1 may not become the first champion: HitRate@50 differs") as told:
        decide(registry, version, DOUBTFUL)
    assert told.value.exit_code == 4
    assert champion(registry) is None
    assert "-0.0010" in registry.numbered(version.number).tags["verdict"]


def test_a_champion_that_changed_meanwhile_is_not_overthrown_by_an_old_comparison(registry: Registry) -> None:
    first, second = registered(registry, "one"), registered(registry, "two")
    stale = compared(None, {second.number: BETTER})
    decide(registry, first, BETTER)
    with pytest.raises(BrokenPromise, match="version 1 became champion while version 2 was compared with popularity"):
        promote(registry, DS, stale, judge(stale, SECTION))
    assert champion(registry) == first.number


def test_without_challengers_nothing_moves_and_nothing_is_written(registry: Registry) -> None:
    decide(registry, registered(registry, "one"), BETTER)
    before = registry.newest_run("comparison", DS.isoformat())
    promote(registry, DS, compared("1", {}), {})
    assert champion(registry) == "1"
    assert registry.newest_run("comparison", DS.isoformat()) == before


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
    first = registered(registry, "one")
    decide(registry, first, BETTER)
    second = registered(registry, "two")
    with refusing(database, "model_version_tags"), pytest.raises(Exception, match="store is full"):
        decide(registry, second, BETTER)
    assert champion(registry) == first.number, "the alias moved before it was written down why"
    decide(registry, second, BETTER)
    assert champion(registry) == second.number
    assert tags(registry)["replaced"] == first.number


def test_a_version_is_found_by_what_it_was_made_from(registry: Registry) -> None:
    assert registry.by_key("one") is None
    first = registered(registry, "one")
    registered(registry, "two")
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
