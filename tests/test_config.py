"""The configuration refuses what it does not know, says which key, and documents every key it has."""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mind.config import DEFAULT_FILE, Config, ConfigError, load
from mind.source import SOURCES, load_source

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = ROOT / DEFAULT_FILE
KEYS = [
    (section, key)
    for section, field in Config.model_fields.items()
    for key in field.annotation.model_fields  # type: ignore[union-attr]
]


def configured(*overrides: str) -> Config:
    return load(overrides=overrides, default=DEFAULT)


def test_the_default_file_is_a_whole_configuration() -> None:
    assert configured().tuples.history_length == tomllib.loads(DEFAULT.read_text())["tuples"]["history_length"]


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_has_a_description_and_stands_commented_in_the_default_file(section: str, key: str) -> None:
    field = Config.model_fields[section].annotation.model_fields[key]  # type: ignore[union-attr]
    assert field.description
    body = re.split(rf"^\[{section}\].*$", DEFAULT.read_text(), flags=re.MULTILINE)[1]
    body = re.split(r"^\[", body, flags=re.MULTILINE)[0]
    assert re.search(rf"^{key} = .+ # \S", body, flags=re.MULTILINE), f"{section}.{key} has no comment"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[training]\nepoch = 3", "training.epoch"),
        ("[trainnig]\nepochs = 3", "trainnig"),
        ("epochs = 3", "epochs"),
        ("[training]\nepochs = 0", "training.epochs"),
        ("[training]\nepochs = 'many'", "training.epochs"),
        ("[training]\nlearning_rate = inf", "training.learning_rate"),
        ("[model]\nattention_power = nan", "model.attention_power"),
        ("[model]\nrouting_start = 'random'", "model.routing_start"),
        ("[lake]\ntime_zone = 'Europe/Londn'", "lake.time_zone"),
        ("[gates]\nminimum_coverage = 1.1", "gates.minimum_coverage"),
        ("[tracking]\nuri = 'file:///tmp/mlruns'", "tracking.uri"),
        ("[tracking]\nmodel_name = \"mind' or name like '%\"", "tracking.model_name"),
        ("[ingest]\nsource = '../secrets'", "ingest.source"),
        ("[spark]\ndriver_memory = '2g --conf x=y'", "spark.driver_memory"),
    ],
)
def test_a_key_or_value_that_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(named)) as told:
        load([file], default=DEFAULT)
    assert str(file) in str(told.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        configured("training.epochs=0", "model.dimension=-4", "report.colour=red")
    assert all(key in str(told.value) for key in ("training.epochs", "model.dimension", "report.colour"))
    assert "-4" in str(told.value)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("retrieval.candidats=7", "retrieval.candidats: unknown key; did you mean candidates?"),
        ("trainnig.epochs=7", "trainnig: unknown key; did you mean training?"),
        ("logs.colour=red", "logs.colour: unknown key; known here: folder"),
    ],
)
def test_an_unknown_key_is_told_with_the_known_one_that_is_nearest(override: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        configured(override)
    assert f"  {told}" in str(refused.value).splitlines()
    assert "red" not in str(refused.value).splitlines()[-1], "the value of no key may be a secret"


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["training.batch_size=1023"], ["batch_size 1023", "processes 2"]),
        (["evaluation.main_cutoff=7"], ["main_cutoff 7", "[10, 20, 50, 100, 1000]"]),
        (["tuples.files=3"], ["tuples.files 3", "training.processes 2"]),
        (["training.processes=3", "training.batch_size=999"], ["tuples.files 8", "training.processes 3"]),
    ],
)
def test_values_that_do_not_fit_each_other_are_refused(overrides: list[str], named: list[str]) -> None:
    with pytest.raises(ConfigError) as told:
        configured(*overrides)
    assert all(text in str(told.value) for text in named)


@pytest.mark.parametrize(
    ("text", "section", "key", "value"),
    [
        ("training.epochs=7", "training", "epochs", 7),
        ("training.learning_rate=1e-4", "training", "learning_rate", 1e-4),
        ("model.normalise=false", "model", "normalise", False),
        ("model.hidden_sizes=[32, 16]", "model", "hidden_sizes", (32, 16)),
        ("model.hidden_sizes=[]", "model", "hidden_sizes", ()),
        ("model.attention_power=inf", "model", "attention_power", math.inf),
        ("lake.root=/data/my lake", "lake", "root", "/data/my lake"),
        ('lake.root="quoted"', "lake", "root", "quoted"),
        ("lake.root=s3://bucket/a=b", "lake", "root", "s3://bucket/a=b"),
        ("ingest.path=", "ingest", "path", ""),
    ],
)
def test_an_override_is_read_as_toml_where_it_is_toml(text: str, section: str, key: str, value: Any) -> None:
    found = getattr(getattr(configured(text), section), key)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["epochs=3", "training.epochs", "=3", ".epochs=3", "training.=3", ""])
def test_an_override_without_section_key_or_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"section\.key=value"):
        configured(text)


def test_later_files_win_over_earlier_ones_and_overrides_over_files(tmp_path: Path) -> None:
    first, second = tmp_path / "1.toml", tmp_path / "2.toml"
    first.write_text("[training]\nepochs = 11\nseed = 11\nnegatives = 11")
    second.write_text("[training]\nepochs = 22\nseed = 22")
    found = load([first, second], ["training.seed=33"], default=DEFAULT).training
    assert (found.negatives, found.epochs, found.seed) == (11, 22, 33)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml does not exist"):
        load([tmp_path / "absent.toml"], default=DEFAULT)
    broken = tmp_path / "broken.toml"
    broken.write_text("[training\n")
    with pytest.raises(ConfigError, match=r"broken\.toml is no valid TOML"):
        load([broken], default=DEFAULT)


def test_the_demo_configuration_loads() -> None:
    assert load([ROOT / "conf/demo.toml"], default=DEFAULT).model.routing_start == "farthest"


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        configured().training.epochs = 9  # type: ignore[misc]


@pytest.mark.parametrize("file", sorted((ROOT / SOURCES).glob("*.toml")), ids=lambda file: file.stem)
def test_every_source_loads_under_the_name_of_its_file(file: Path) -> None:
    assert load_source(file.stem, ROOT / SOURCES).name == file.stem


def test_a_missing_source_names_those_that_exist() -> None:
    with pytest.raises(ConfigError, match=r"'nowhere'.*known sources: .*online_retail"):
        load_source("nowhere", ROOT / SOURCES)


def test_a_source_with_an_unknown_key_is_refused_by_name(tmp_path: Path) -> None:
    text = (ROOT / SOURCES / "online_retail.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace('format = "parquet"', 'format = "parquet"\ncompression = "zip"'))
    with pytest.raises(ConfigError, match="compression"):
        load_source("mine", tmp_path)


@pytest.mark.parametrize(
    ("feature", "file", "told"),
    [
        ("upper(User_File.town)", "moment = 'since'", r"user_features\.town = .*make it of .*\[user_file\.columns\]"),
        ("coalesce(user_file.town, country)", "moment = 'since'", "is user_file.name alone"),
        ("user_file.place", "moment = 'since'", r"place of user_file.*gives town"),
        ("user_file.town", "time_unit = 's'", "there is no moment"),
        ("user_file.town", "moment = 'since'\ntime_unit = 's'\ntime_format = 'yyyy'", "leave one of them out"),
        ("user_file.town", "moment = 'since'\ntime_zone = 'Mars'", "no IANA time zone"),
    ],
)
def test_features_of_a_file_with_moments_are_its_columns_alone(
    tmp_path: Path, feature: str, file: str, told: str
) -> None:
    text = (ROOT / SOURCES / "shop_table.toml").read_text()
    more = f'path = "u.csv"\nformat = "csv"\nkey = "who"\ncolumns = {{ town = "town" }}\n{file}\n'
    (tmp_path / "mine.toml").write_text(f'{text}\n[user_features]\ntown = "{feature}"\n[user_file]\n{more}')
    with pytest.raises(ConfigError, match=told):
        load_source("mine", tmp_path)


def test_a_description_that_is_named_otherwise_than_its_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text((ROOT / SOURCES / "shop_table.toml").read_text())
    with pytest.raises(ConfigError, match=r"shop\.toml says name = 'shop_table'; give .* the same name"):
        load_source("shop", tmp_path)


def test_without_moments_a_feature_of_the_file_is_one_of_the_log() -> None:
    source = load_source("movielens_1m", ROOT / SOURCES)
    assert source.dated_features == {}
    assert source.log_features == source.user_features


def test_an_unknown_key_inside_the_parts_of_a_source_is_told_with_the_nearest(tmp_path: Path) -> None:
    text = (ROOT / SOURCES / "online_retail.toml").read_text()
    file = '[item_file]\npath = "i.csv"\nformat = "csv"\nkee = "sku"\ncolumns = { name = "name" }\n'
    (tmp_path / "mine.toml").write_text(text + '\n[[refuse]]\nreason = "robot"\nwher = "true"\n\n' + file)
    with pytest.raises(ConfigError) as told:
        load_source("mine", tmp_path)
    assert "item_file.kee: unknown key; did you mean key?" in str(told.value)
    assert re.search(r"refuse\.\d\.wher: unknown key; did you mean where\?", str(told.value))
