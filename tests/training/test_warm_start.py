"""A night goes on from the champion of an earlier one, and the same night run again from the same."""

from __future__ import annotations

import logging
import re
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from mind.config import Config, load
from mind.model import MIND
from mind.model import load as load_model
from mind.storage.tuple_files import read_catalogue
from mind.tables import names as n
from mind.tables.manifest import Manifest, TupleFile
from mind.tracking.registry import CHALLENGER, CHAMPION, PROMOTED_ON, Registry, Version
from mind.training.night import night_of
from mind.training.session import train_and_register
from tests.training.small_night import COLOURS, DS, ITEMS, write_night

ROOT = Path(__file__).resolve().parent.parent.parent
NEXT = DS + timedelta(days=1)
NEW = 4
STILL = ("training.warm_start=true", "training.epochs=1", "training.learning_rate=1e-12")
"""A training that moves nothing that can be seen: what comes out is what it started from."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nights")


@pytest.fixture(scope="module")
def manifest(folder: Path) -> Manifest:
    return write_night(folder)


@pytest.fixture(scope="module")
def grown(folder: Path, manifest: Manifest) -> Manifest:
    """The next night: the same rows, four more items, of which the last has no colour."""
    catalogue = read_catalogue(manifest).to_pylist()
    for index in range(ITEMS, ITEMS + NEW):
        colour = 0 if index == ITEMS + NEW - 1 else 2
        catalogue.append(
            {n.ITEM_INDEX: index, n.ITEM_ID: f"new {index}", n.ITEM_CODES: [index, colour], n.BEHAVIOURS: 1}
        )
    schema = read_catalogue(manifest).schema
    pq.write_table(pa.Table.from_pylist(catalogue, schema), folder / "grown.parquet")
    changes = {
        "ds": NEXT.isoformat(),
        "content": "content of the next night",
        "item_features": {n.ITEM_ID: ITEMS + NEW, "colour": COLOURS},
        "vocabulary": "11-cd",
        "vocabulary_grew": {DS.isoformat(): manifest.vocabulary, NEXT.isoformat(): "11-cd"},
        "catalogue": [TupleFile(url=(folder / "grown.parquet").as_uri(), rows=len(catalogue))],
    }
    return Manifest.model_validate(manifest.model_dump() | changes)


def configured(folder: Path, model_name: str, *overrides: str) -> Config:
    changes = ("training.processes=1", f"tracking.model_name={model_name}", *overrides)
    return load([folder / "night.toml"], changes, default=ROOT / "conf/default.toml")


def trained(config: Config, manifest: Manifest, ds: date) -> Version:
    night = night_of(manifest, read_catalogue(manifest))
    registry = Registry(config.tracking)
    train_and_register(night, ds, registry, config.model, config.training, config.evaluation, {})
    return registry.need(CHALLENGER)


def crown(config: Config, version: Version, ds: date) -> None:
    registry = Registry(config.tracking)
    registry.tag(version.number, {PROMOTED_ON: ds.isoformat()})
    registry.point(CHAMPION, version.number)


def weights(config: Config, version: Version) -> MIND:
    return load_model(Registry(config.tracking).folder(version))[0]


def test_a_night_goes_on_from_the_champion_and_run_again_finds_the_same_version(
    folder: Path, manifest: Manifest, grown: Manifest
) -> None:
    config = configured(folder, "goes_on", *STILL)
    first = trained(configured(folder, "goes_on"), manifest, DS)
    crown(config, first, DS)
    second = trained(config, grown, NEXT)
    assert (first.tags["started_from"], second.tags["started_from"]) == ("nothing", first.number)
    earlier, later = weights(config, first), weights(config, second)
    held = dict(earlier.named_parameters())
    for name, parameter in later.named_parameters():
        torch.testing.assert_close(parameter[: len(held[name])], held[name], rtol=0, atol=1e-9)
    items, colours = (table.get_parameter("weight") for table in later.item_embedding.tables)
    for index in range(ITEMS, ITEMS + NEW - 1):
        torch.testing.assert_close(items[index], colours[2], rtol=0, atol=1e-9)
    # The second becomes champion; the night that made it still starts from the first, and is not trained again.
    crown(config, second, NEXT)
    assert trained(config, grown, NEXT).number == second.number
    # A later night starts from the second.
    later_day = NEXT + timedelta(days=1)
    third = trained(config, Manifest.model_validate(grown.model_dump() | {"content": "a third night"}), later_day)
    assert third.tags["started_from"] == second.number


@pytest.mark.parametrize(
    ("name", "changes", "overrides", "told"),
    [
        ("no_champion", {}, (), "no champion of an earlier night"),
        ("vocabulary", {"vocabulary_grew": {}}, (), "vocabulary has not grown from its own"),
        ("features", {"profile_features": {"town": 4}}, (), r"profile_features were \['country'\] and are \['town'\]"),
        ("wider", {}, ("model.interests=2",), "interests was 3 and is 2"),
    ],
)
def test_a_champion_that_does_not_fit_is_left_aside_with_the_reason(
    folder: Path,
    manifest: Manifest,
    grown: Manifest,
    caplog: pytest.LogCaptureFixture,
    name: str,
    changes: dict[str, object],
    overrides: tuple[str, ...],
    told: str,
) -> None:
    config = configured(folder, name, *STILL, *overrides)
    if name != "no_champion":
        crown(config, trained(configured(folder, name, "training.epochs=1"), manifest, DS), DS)
    with caplog.at_level(logging.INFO, logger="mind"):
        second = trained(config, Manifest.model_validate(grown.model_dump() | changes), NEXT)
    assert second.tags["started_from"] == "nothing"
    assert re.search(told, caplog.text)
