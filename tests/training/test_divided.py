"""Ranks that share the rows of their tables train the model of ranks that hold all of them, to the bit."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mind.config import load
from mind.evaluation import evaluate
from mind.launch import environment
from mind.model import MIND, DividedTable, divided, whole_table
from mind.sections import ConfigError
from mind.storage.tuple_files import read_catalogue
from mind.training.checkpoint import EPOCH, STEP, Checkpoints, Part, Position
from mind.training.distributed import Ranks
from mind.training.divided_checkpoint import newest_of_all, save_divided
from mind.training.divided_tables import DividedTables, LookedUp, table_maker
from mind.training.loader import columns_of, read_split
from mind.training.night import night_of
from mind.training.scoring import ModelScorer, evaluation_batches
from mind.training.streamed_ranks import streamed_ranks
from mind.training.trainer import Night, build_model
from tests.training.small_night import DS, write_night
from tests.training.train_divided import DIVIDED, KINDS, Training

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = "tests.training.train_divided"
ALONE = Ranks(0, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("divided")
    write_night(folder, with_ages=True, next_targets=3)  # rows of next targets are fetched too
    return folder


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    manifest = write_night(tmp_path_factory.mktemp("night"))
    return night_of(manifest, read_catalogue(manifest))


def launch(folder: Path, out: Path, mode: str, ranks: int = 2) -> None:
    words = ["torchrun", "--standalone", f"--nproc-per-node={ranks}", "-m", SCRIPT, str(folder)]
    done = subprocess.run(
        [*words, DS.isoformat(), str(out), mode], env=environment(), cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]


@pytest.fixture(scope="module")
def launched(folder: Path) -> Path:
    """What two ranks trained, in all ways."""
    out = folder / "out"
    out.mkdir()
    launch(folder, out, "train")
    return out


def result(out: Path, name: str) -> tuple[bytes, dict[str, object]]:
    """The weights as they are registered, and the curve."""
    curve: dict[str, object] = json.loads((out / name / "curve.json").read_text())
    return (out / name / "model.safetensors").read_bytes(), curve


@pytest.mark.parametrize("name", DIVIDED)
@pytest.mark.parametrize("kind", KINDS)
def test_divided_tables_give_the_same_file_and_the_same_curve(launched: Path, kind: str, name: str) -> None:
    assert result(launched, f"{kind}-{name}") == result(launched, f"{kind}-whole")


@pytest.mark.parametrize("cut", [2, 4])
def test_a_divided_training_that_was_cut_off_goes_on_to_the_same_file_and_curve(launched: Path, cut: int) -> None:
    assert result(launched, f"continued-{cut}") == result(launched, "uniform-whole")


def go_on(launched: Path, ranks: int) -> list[Path]:
    """Copies of a checkpoint that two ranks wrote after the first of two epochs."""
    return [shutil.copytree(launched / "kept-4", launched / f"copy-{ranks}-{name}") for name in ("whole", *DIVIDED)]


def assert_equal(launched: Path, ranks: int) -> None:
    wanted = result(launched, f"from-{ranks}-whole")
    assert wanted != result(launched, "uniform-whole"), "the number of ranks changed nothing: was it gone on from?"
    [first] = {json.dumps(result(launched, each)[1]["epochs"][0]) for each in (f"from-{ranks}-whole", "uniform-whole")}
    assert first
    for name in DIVIDED:
        assert result(launched, f"from-{ranks}-{name}") == wanted


def test_one_rank_goes_on_from_what_two_divided(folder: Path, launched: Path) -> None:
    go_on(launched, 1)
    Training(folder, DS, launched, ALONE).go_on()
    assert_equal(launched, 1)


@pytest.mark.slow
def test_four_ranks_go_on_from_what_two_divided(folder: Path, launched: Path) -> None:
    go_on(launched, 4)
    launch(folder, launched, "go_on", ranks=4)
    assert_equal(launched, 4)


@pytest.mark.parametrize("size", [3, 131, 40_003])
def test_the_rows_of_all_ranks_are_those_of_the_whole_table(size: int) -> None:
    """40,003 rows are drawn in two pieces."""
    generator = torch.Generator().manual_seed(3)
    whole = whole_table(size, 7, 0.1, generator).weight
    for ranks in (1, 2, 3):
        for rank in range(ranks):
            own = torch.Generator().manual_seed(3)
            table = divided(1, rank, ranks, whole_table)(size, 7, 0.1, own)
            assert torch.equal(table.get_parameter("weight"), whole[rank::ranks])
            assert torch.equal(own.get_state(), generator.get_state())


def test_a_row_that_was_not_brought_is_no_other_row(night: Night, folder: Path) -> None:
    network, tables = small(night, folder, 1)
    with pytest.raises(LookupError, match="no rows of a divided table are here yet"):
        network.item_vectors(torch.tensor([3]))
    tables.bring(LookedUp(torch.tensor([3, 9])))
    whole, _ = small(night, folder, 0)
    assert torch.equal(network.item_vectors(torch.tensor([9, 0, 3])), whole.item_vectors(torch.tensor([9, 0, 3])))
    for absent in (1, 4, 39):
        with pytest.raises(LookupError, match=f"row {absent} of a divided table of 40 rows is not here"):
            network.item_vectors(torch.tensor([3, absent]))


def test_a_target_with_other_features_than_the_catalogue_says_gives_the_same_gradient(
    night: Night, folder: Path
) -> None:
    gradients = []
    for least in (0, 1):
        network, tables = small(night, folder, least)
        history_BL, profile_BP = torch.tensor([[3, 4, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0]]), torch.tensor([[1], [2]])
        other = 2 + (int(night.item_codes_VF[5, 1]) - 1) % 3
        target_BF, negatives_N = torch.tensor([[5, other], [3, 2]]), torch.tensor([7, 8, 8])
        items = torch.cat([history_BL.reshape(-1), target_BF[:, 0], negatives_N])
        tables.bring(LookedUp(items, profile_BP, target_BF))
        torch.autograd.backward(network(history_BL, profile_BP, target_BF, negatives_N, torch.zeros(3)).sum())
        tables.return_gradients()
        gradients.append([each.grad for each in network.sparse_parameters()])
    for whole, own in zip(*gradients, strict=True):
        assert isinstance(whole, Tensor)
        assert isinstance(own, Tensor)
        assert torch.equal(whole.to_dense(), own.to_dense())
        assert whole.to_dense().any()


def small(night: Night, folder: Path, least: int) -> tuple[MIND, DividedTables]:
    """An untrained model of one rank."""
    config = load([folder / "night.toml"])
    network = build_model(config.model, night, 1, table_maker(least, ALONE))
    assert isinstance(network.item_embedding.tables[0], DividedTable) == bool(least)
    return network, DividedTables(network, ALONE)


@pytest.mark.parametrize("filter_seen", [False, True])
def test_ranks_over_blocks_are_those_over_all_scores(night: Night, folder: Path, filter_seen: bool) -> None:
    whole, _ = small(night, folder, 0)
    network, tables = small(night, folder, 1)
    rows = read_split(night.manifest, "test", columns_of(night.manifest))
    items = night.manifest.items - 2
    # Equal vectors are ties, which go by position.
    with torch.no_grad():
        for model in (whole, network):
            for table in model.item_embedding.tables:
                table.get_parameter("weight")[5:20] = table.get_parameter("weight")[4]
    batches = list(evaluation_batches(rows, 4, filter_seen))
    wanted = evaluate(ModelScorer(whole, items), batches, catalogue_size=items, block_rows=4)
    found = streamed_ranks(network, tables, batches, len(batches) + 1, items, items_at_once=7)
    assert len(set(wanted.tolist())) > 5
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("wrote", [1, 2, 3])
def test_rows_in_files_of_any_number_of_ranks_reach_any_number(tmp_path: Path, wrote: int) -> None:
    whole = torch.arange(22.0).view(11, 2)
    held = Checkpoints(tmp_path)
    parts = [held.save_part(STEP, rank, {"model.x": whole[rank::wrote].contiguous()}) for rank in range(wrote)]
    held.save(STEP, Position(), {"model.y": torch.ones(2)}, wrote, parts)
    found = held.newest(wrote)
    assert found is not None
    assert found.names() == {"model.x", "model.y"}
    for ranks in (1, 2, 4):
        for rank in range(ranks):
            assert torch.equal(found.rows("model.x", rank, ranks), whole[rank::ranks])


def test_a_damaged_file_of_a_rank_is_passed_over_and_a_file_without_a_name_is_not_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = Checkpoints(tmp_path)
    for kind, value in ((EPOCH, 1.0), (STEP, 2.0)):
        tensors = {"model.x": torch.full((4, 2), value), "model.y": torch.ones(1)}
        save_divided(held, kind, Position(steps_before=int(value)), tensors, ALONE, {"model.x"})
    held.save_part(STEP, 0, {"model.x": torch.full((4, 2), 3.0)})
    assert value_of(held) == 2.0
    bad = {"model.x": torch.full((4, 2), float("nan")), "model.y": torch.ones(1)}
    save_divided(held, STEP, Position(steps_before=3), bad, ALONE, {"model.x"})
    assert value_of(held) == 2.0
    assert "a weight is no number; the last good checkpoint is kept" in caplog.text
    [file] = json.loads((tmp_path / "step.json").read_text())["parts"]
    damaged = tmp_path / Part(**file).file
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    assert value_of(held) == 1.0
    assert str(damaged) in caplog.text
    tensors = {"model.x": torch.full((4, 2), 4.0), "model.y": torch.ones(1)}
    save_divided(held, STEP, Position(steps_before=4), tensors, ALONE, {"model.x"})
    assert value_of(held) == 4.0
    assert len(list(tmp_path.glob("step-part-*"))) == 1, "files of older checkpoints are left"


def value_of(held: Checkpoints) -> float:
    found = newest_of_all(held, ALONE)
    assert found is not None
    return float(found.rows("model.x")[0, 0])


def test_divided_tables_refuse_a_warm_start(folder: Path) -> None:
    with pytest.raises(ConfigError, match="shard_rows 1 with warm_start: divided tables start anew; turn one off"):
        load([folder / "night.toml"], ("training.shard_rows=1", "training.warm_start=true"))
