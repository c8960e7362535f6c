"""A stored model: the same vectors back, and clear words for everything that can be wrong with it."""

import json
import math
from pathlib import Path

import pytest
import torch

from mind.model import ModelFileError, load, save
from tests.model.worlds import batch, small_model


@pytest.mark.parametrize("power", [math.inf, 2.0])
def test_loading_gives_the_same_bits(tmp_path: Path, power: float) -> None:
    model = small_model(attention_power=power, temperature=0.07, routing_start="farthest")
    saved = save(model, tmp_path / "new", {"vocabulary": "abc"})
    loaded, description = load(tmp_path / "new")
    assert description == saved
    assert description["extra"] == {"vocabulary": "abc"}
    assert loaded.architecture == model.architecture
    history_BL, profile_BP, target_BF = batch(20)
    for left, right in zip(model.infer(history_BL, profile_BP), loaded.infer(history_BL, profile_BP), strict=True):
        assert torch.equal(left, right)
    assert torch.equal(model.catalogue_vectors()[1], loaded.catalogue_vectors()[1])
    given = (history_BL, profile_BP, target_BF, torch.arange(2, 9), torch.zeros(7))
    assert torch.equal(model(*given), loaded(*given))
    loaded(*given).sum().backward()
    assert all(parameter.grad is not None for parameter in loaded.parameters())


def test_a_model_stored_before_an_argument_existed_is_what_it_was(tmp_path: Path) -> None:
    model = small_model()
    save(model, tmp_path, {})
    description = json.loads((tmp_path / "model.json").read_text())
    for name in ("method", "recency", "context", "residual", "dropout", "decorrelation", "behaviour_time"):
        del description["architecture"][name]
    (tmp_path / "model.json").write_text(json.dumps(description))
    loaded, _ = load(tmp_path)
    assert loaded.architecture == model.architecture
    given = batch(5)[:2]
    assert torch.equal(loaded.infer(*given).vectors_BKD, model.infer(*given).vectors_BKD)


def test_weights_keep_their_type(tmp_path: Path) -> None:
    save(small_model().double(), tmp_path, {})
    assert load(tmp_path)[0].mapping_DD.dtype == torch.float64


def test_the_folder_holds_two_files_and_standard_json(tmp_path: Path) -> None:
    save(small_model(), tmp_path, {})
    save(small_model(seed=9), tmp_path, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.safetensors"]

    def refuse(token: str) -> None:
        raise AssertionError(token)

    description = json.loads((tmp_path / "model.json").read_text(), parse_constant=refuse)
    assert description["architecture"]["attention_power"] == "inf"
    assert description["architecture"]["seed"] == 9


def test_extra_must_be_standard_json(tmp_path: Path) -> None:
    for extra in ({"loss": math.nan}, {"path": Path("x")}):
        with pytest.raises(ValueError, match="standard JSON"):
            save(small_model(), tmp_path, extra)
    assert list(tmp_path.iterdir()) == []


def test_damage_is_found_before_the_weights_are_opened(tmp_path: Path) -> None:
    expected = save(small_model(), tmp_path, {})["weights_sha256"]
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"not even a header")
    with pytest.raises(ModelFileError, match=f"safetensors: checksum expected {expected}, found .*copy both"):
        load(tmp_path)


def test_a_cut_save_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="expected a file, found none"):
        load(tmp_path)
    save(small_model(), tmp_path, {})
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelFileError, match="safetensors: expected a file, found none"):
        load(tmp_path)


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_other_formats_and_architectures_are_named(tmp_path: Path) -> None:
    architecture = save(small_model(), tmp_path, {})["architecture"]
    rewrite(tmp_path, architecture={**architecture, "gates": 3})
    with pytest.raises(ModelFileError, match="unknown \\['gates'\\]"):
        load(tmp_path)
    rewrite(tmp_path, architecture={**architecture, "dimension": 16})
    with pytest.raises(ModelFileError, match="weights do not fit the architecture"):
        load(tmp_path)
    rewrite(tmp_path, format_version=2)
    with pytest.raises(ModelFileError, match="format version expected 1, found 2"):
        load(tmp_path)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(ModelFileError, match="expected JSON"):
        load(tmp_path)
