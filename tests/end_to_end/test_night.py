"""A whole night by the real command lines, and (slow) the same night again."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from mind.config import load
from mind.storage.lake import Lake
from mind.tables import BEHAVIOURS, CANDIDATES, ITEM_VECTORS, PUBLICATIONS, QUARANTINE, USER_INTERESTS, USERS
from mind.tracking.registry import CHALLENGER, CHAMPION, Registry
from tests.end_to_end.world import World, content, copy_world


@pytest.fixture
def first(undisturbed: tuple[World, str]) -> tuple[World, str]:
    return undisturbed


def test_every_row_of_the_log_is_kept_or_refused(first: tuple[World, str], spark: SparkSession) -> None:
    world, printed = first
    lake = Lake(spark, str(world.folder / "lake"))
    read = int(re.search(r"([\d,]+) rows read", printed).group(1).replace(",", ""))  # type: ignore[union-attr]
    log = spark.read.parquet(str(world.folder / "log"))
    assert read == log.where("InvoiceDate < timestamp_ntz'2011-12-09'").count()
    assert lake.read(BEHAVIOURS).count() + lake.read(QUARANTINE).count() == read


def test_every_user_gets_exactly_n_unique_known_items(first: tuple[World, str], spark: SparkSession) -> None:
    lake = Lake(spark, str(first[0].folder / "lake"))
    candidates, items = lake.read(CANDIDATES), lake.read(ITEM_VECTORS)
    wanted = min(300, items.count())
    sizes = candidates.select(F.size("item_ids").alias("n"), F.size(F.array_distinct("item_ids")).alias("distinct"))
    assert [tuple(row) for row in sizes.distinct().collect()] == [(wanted, wanted)]
    shown = candidates.select(F.explode("item_ids").alias("item_id"))
    assert shown.join(items, "item_id", "left_anti").isEmpty()
    assert candidates.count() == lake.read(USERS).count()
    by_model = candidates.where("origin = 'model'")
    assert by_model.select("user_id").exceptAll(lake.read(USER_INTERESTS).select("user_id")).isEmpty()


def test_the_lists_are_what_an_exhaustive_search_finds(first: tuple[World, str], spark: SparkSession) -> None:
    import numpy as np

    lake = Lake(spark, str(first[0].folder / "lake"))
    vectors = lake.read(ITEM_VECTORS).orderBy("item_id").collect()
    matrix = np.array([row.vector for row in vectors], dtype=np.float64)
    users = lake.read(USER_INTERESTS).join(lake.read(CANDIDATES).drop("ds"), "user_id")
    for row in users.orderBy("user_id").limit(25).collect():
        scores = (np.array(row.interests, dtype=np.float64) @ matrix.T).max(axis=0).astype(np.float32)
        best = sorted(range(len(vectors)), key=lambda place: (-scores[place], vectors[place].item_id))
        assert row.item_ids == [vectors[place].item_id for place in best[: len(row.item_ids)]]


def test_no_model_file_is_a_pickle(first: tuple[World, str]) -> None:
    files = {path.suffix for path in (first[0].folder / "mlflow" / "artifacts").rglob("*") if path.is_file()}
    assert files == {".safetensors", ".json", ".html"}


def test_the_champion_beats_popularity(first: tuple[World, str]) -> None:
    world, _ = first
    registry = Registry(load([world.config]).tracking)
    champion, challenger = registry.by_alias(CHAMPION), registry.by_alias(CHALLENGER)
    assert champion is not None
    assert challenger is not None
    assert champion.number == challenger.number == "1"
    assert "popularity" in champion.tags["why"]


def test_a_person_sees_rows_refusals_hits_users_and_places(first: tuple[World, str]) -> None:
    world, printed = first
    for text in ("no_customer", "HitRate@50", "popularity", "interest 1, mostly from", "Where things are"):
        assert text in printed
    page = (Path(world.folder) / "report" / "2011-12-08" / "index.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 4
    assert 'id="people"' in page


def test_mlflow_keeps_the_page_without_people_and_which_table_the_version_serves(first: tuple[World, str]) -> None:
    world, _ = first
    champion = Registry(load([world.config]).tracking).need(CHAMPION)
    (page,) = (world.folder / "mlflow" / "artifacts").rglob("2011-12-08.html")
    text = page.read_text(encoding="utf-8")
    assert 'id="map"' in text
    assert 'id="people"' not in text
    assert champion.tags["published_ds"] == "2011-12-08"
    assert int(champion.tags["candidates_table_version"]) >= 0


@pytest.mark.slow
def test_the_same_night_again_gives_the_same_content(first: tuple[World, str], spark: SparkSession) -> None:
    world, _ = first
    before = content(spark, world)
    printed = world.night()
    assert "it is used again" in printed
    assert content(spark, world) == before
    assert Lake(spark, str(world.folder / "lake")).read(PUBLICATIONS).count() == 1


@pytest.mark.slow
def test_a_champion_that_reaches_further_back_than_the_night_serves_the_nights_users(
    first: tuple[World, str], tmp_path: Path, spark: SparkSession
) -> None:
    world = copy_world(first[0], tmp_path / "world")
    words = world.command("run", "build_vocabulary", "embed_items", "embed_users", "retrieve", "publish")
    for days in ("history_days=1", "train_days=3", "validation_days=1", "test_days=1"):
        words += ["--set", f"tuples.{days}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lake, before = (Lake(spark, str(of.folder / "lake")) for of in (world, first[0]))
    users = lake.read(USERS).select("user_id")
    assert 0 < users.count() < before.read(USERS).count()
    assert lake.read(CANDIDATES).select("user_id").exceptAll(users).isEmpty()
    held = lake.read(USER_INTERESTS)
    assert held.select("user_id").exceptAll(users).isEmpty()
    recent = lake.read(BEHAVIOURS).where("event_day > DATE'2011-12-02'").groupBy("user_id").count()
    assert not held.join(recent, "user_id").where("history_length > count").isEmpty(), "no history is older"
