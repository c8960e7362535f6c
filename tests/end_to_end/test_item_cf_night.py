"""A first night by the real command line, with lists from item neighbours: no training, no model, no MLflow store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from mind.baselines.item_cf import NEIGHBOUR_INDEX, SIMILARITY, item_neighbours
from mind.baselines.neighbour_scorer import Neighbours, NeighbourScorer
from mind.behaviours.days import until
from mind.behaviours.standing import standing
from mind.features.history import histories_at_end, user_sequences
from mind.operations.nights import publications
from mind.source import load_source
from mind.storage.lake import Lake
from mind.tables import BEHAVIOURS, CANDIDATES, ITEM_CF, ITEM_VECTORS, ITEMS, RECALL_SAMPLE, USERS, VOCABULARY
from mind.tables import names as n
from tests.end_to_end.world import DS, World, make_world
from tests.publishing.published import run_job

pytestmark = pytest.mark.slow
METHOD = ("--set", "retrieval.method=item_cf")
CHECKED = 40


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, str]:
    world = make_world(tmp_path_factory.mktemp("item_cf"))
    return world, world.night(*METHOD)


@pytest.fixture(scope="module")
def lake(night: tuple[World, str], spark: SparkSession) -> Lake:
    return Lake(spark, str(night[0].folder / "lake"))


def test_the_night_needs_no_model_and_everybody_has_a_full_list(night: tuple[World, str], lake: Lake) -> None:
    world, printed = night
    steps = [line.split()[1] for line in printed.splitlines() if line.startswith("== ")]
    assert steps == ["ingest", "build_vocabulary", "retrieve_item_cf", "publish", "report"]
    assert not (world.folder / "mlflow").exists()
    assert not lake.exists(ITEM_VECTORS)
    assert not lake.exists(RECALL_SAMPLE), "nothing was searched"
    lists = lake.read(CANDIDATES)
    told = lists.select(
        F.size(n.ITEM_IDS), F.size(F.array_distinct(n.ITEM_IDS)), F.size(n.INTEREST_OF_ORIGIN), n.MODEL_VERSION
    )
    assert [tuple(row) for row in told.distinct().collect()] == [(300, 300, 300, ITEM_CF)]
    assert lists.count() == lake.read(USERS).count()
    assert lists.where(F.col(n.ORIGIN) == ITEM_CF).count() > 900


def test_the_lists_begin_with_what_the_scorer_likes_best(lake: Lake) -> None:
    kept, items = standing(until(lake.read(BEHAVIOURS), DS), load_source("online_retail")), lake.read(ITEMS, DS)
    source, known = load_source("online_retail"), items.where(F.col(n.ITEM_INDEX) > 1)
    chosen = kept.join(known, n.ITEM_ID).select(n.USER_ID, n.ITEM_INDEX, n.EVENT_TIME)
    table = item_neighbours(chosen).toArrow()
    columns = [table[name].to_numpy() for name in (n.ITEM_INDEX, NEIGHBOUR_INDEX, SIMILARITY)]
    ids = {row[n.ITEM_INDEX]: row[n.ITEM_ID] for row in known.collect()}
    assert sorted(ids) == list(range(2, len(ids) + 2))
    histories = histories_at_end(user_sequences(kept, known, lake.read(VOCABULARY), source, most_recent=50), 50)
    lists = lake.read(CANDIDATES).join(histories, n.USER_ID).orderBy(n.USER_ID).limit(CHECKED).collect()
    scorer = NeighbourScorer(Neighbours.from_columns(*columns, len(ids)))
    scores = scorer.scores({n.HISTORY: np.array([row[n.HISTORY] for row in lists])}).astype(np.float32)
    assert len(lists) == CHECKED
    for row, mine in zip(lists, scores, strict=True):
        best = sorted((-score, ids[place + 2]) for place, score in enumerate(mine) if score)[:300]
        assert row[n.ITEM_IDS][: len(best)] == [item for _, item in best], row[n.USER_ID]


def test_people_are_told_that_no_model_served(night: tuple[World, str], lake: Lake) -> None:
    world, printed = night
    assert "Item neighbours (item-CF), no model; " in printed
    page = (world.folder / "report" / "2011-12-08" / "index.html").read_text(encoding="utf-8")
    assert "Item neighbours (item-CF), no model" in page
    [published] = publications(lake.root)
    assert (published.model_version, published.verdict.endswith("passed")) == (ITEM_CF, True)


def test_explain_and_rollback_go_by_what_was_published(
    night: tuple[World, str], lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the setting: people who ask do not know how the night was made."""
    common = ("--ds", "2011-12-08", "--config", str(night[0].config))
    row = lake.read(CANDIDATES).where(F.col(n.ORIGIN) == ITEM_CF).orderBy(n.USER_ID).first()
    assert row is not None
    absent = lake.read(ITEMS, DS).where(~F.col(n.ITEM_ID).isin(row[n.ITEM_IDS])).orderBy(n.ITEM_ID).first()
    assert absent is not None
    for item, said in ((row[n.ITEM_IDS][0], "by item neighbours"), (absent[n.ITEM_ID], "no neighbour of the user's")):
        run_job(monkeypatch, lake, "explain", *common, "--user", row[n.USER_ID], f"--item={item}")
        told = capsys.readouterr().out
        assert "served by item neighbours (item-CF), no interests" in told
        assert said in told
    run_job(monkeypatch, lake, "report", *common)
    assert not Path(night[0].folder / "mlflow").exists()
    run_job(monkeypatch, lake, "rollback", *common)
    assert lake.read(CANDIDATES).isEmpty()
