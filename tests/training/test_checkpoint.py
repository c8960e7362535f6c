"""A training that is cut off anywhere goes on to the same weights and the same curve."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from mind.config import Config, load
from mind.errors import BrokenPromise
from mind.launch import command, environment
from mind.model import MIND
from mind.storage.tuple_files import read_catalogue
from mind.tables.manifest import Manifest
from mind.tracking.registry import CHALLENGER, Registry
from mind.training.checkpoint import EPOCH, STEP, Checkpoints, Position
from mind.training.distributed import Ranks
from mind.training.night import night_of
from mind.training.trainer import Diverged, Night, Trainer, build_model
from tests.training.small_night import DS, write_night

ROOT = Path(__file__).resolve().parent.parent.parent


class PowerCut(Exception):
    """Stands for the end of the process."""


class CutOff(Checkpoints):
    """Saves as ever, and ends the training after so many."""

    def __init__(self, folder: Path, after: int) -> None:
        super().__init__(folder)
        self._left = after

    def save(self, kind: str, position: Position, tensors: Mapping[str, Tensor], ranks: int) -> None:
        super().save(kind, position, tensors, ranks)
        self._left -= 1
        if not self._left:
            raise PowerCut


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="module")
def manifest(folder: Path) -> Manifest:
    return write_night(folder)


@pytest.fixture(scope="module")
def night(manifest: Manifest) -> Night:
    return night_of(manifest, read_catalogue(manifest))


def configured(folder: Path, *overrides: str) -> Config:
    return load(
        [folder / "night.toml"], ("training.checkpoint_steps=1", *overrides), default=ROOT / "conf/default.toml"
    )


def train(night: Night, config: Config, checkpoints: Checkpoints | None) -> tuple[MIND, list[dict[str, float]]]:
    """Weights and curve, the curve without what depends on the clock."""
    network = build_model(config.model, night, config.training.seed)
    curve: list[dict[str, float]] = []
    trainer = Trainer(night, network, config.training, config.evaluation, Ranks(0, 1), checkpoints)
    trainer.run(lambda epoch, metrics: curve.append({"epoch": float(epoch), **metrics}))
    clock = ("rows_per_second", "data_wait_share")
    return network, [{name: value for name, value in point.items() if name not in clock} for point in curve]


def assert_same(found: tuple[MIND, object], wanted: tuple[MIND, object]) -> None:
    assert found[1] == wanted[1]
    other = wanted[0].state_dict()
    assert all(torch.equal(value, other[name]) for name, value in found[0].state_dict().items())


# Three steps and one save more at the end of each of two epochs: inside both, and at the end of the first.
@pytest.mark.parametrize("cuts", [(1,), (3, 1), (4,), (5, 1), (1, 1, 1, 1, 1, 1, 1)])
def test_a_training_that_was_cut_off_goes_on_to_the_same_weights_and_curve(
    folder: Path, night: Night, tmp_path: Path, cuts: tuple[int, ...]
) -> None:
    config = configured(folder)
    for cut in cuts:
        with pytest.raises(PowerCut):
            train(night, config, CutOff(tmp_path, cut))
    assert_same(train(night, config, Checkpoints(tmp_path)), train(night, config, None))


def test_a_training_with_ages_goes_on_to_the_same_weights_and_curve(tmp_path: Path) -> None:
    manifest = write_night(tmp_path, with_ages=True)
    night, config = night_of(manifest, read_catalogue(manifest)), configured(tmp_path, "model.behaviour_time=true")
    unbroken = train(night, config, None)
    with pytest.raises(PowerCut):
        train(night, config, CutOff(tmp_path / "held", 2))
    assert_same(train(night, config, Checkpoints(tmp_path / "held")), unbroken)
    learned = unbroken[0].behaviour_time
    assert learned is not None
    assert learned.log_weight_A.any()
    assert not learned.log_weight_A[0]


def test_a_model_of_ages_refuses_tuples_without_and_another_takes_tuples_with_them(
    night: Night, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(BrokenPromise, match=f"24 buckets.*have none; run build_tuples --ds {DS} again"):
        train(night, configured(folder, "model.behaviour_time=true"), None)
    manifest = write_night(tmp_path, with_ages=True)
    with_ages = night_of(manifest, read_catalogue(manifest))
    assert_same(train(with_ages, configured(tmp_path), None), train(night, configured(folder), None))


def test_a_training_with_next_targets_goes_on_to_the_same_weights_and_curve(tmp_path: Path) -> None:
    manifest, config = write_night(tmp_path, next_targets=3), configured(tmp_path)
    night = night_of(manifest, read_catalogue(manifest))
    unbroken = train(night, config, None)
    with pytest.raises(PowerCut):
        train(night, config, CutOff(tmp_path / "held", 2))
    assert_same(train(night, config, Checkpoints(tmp_path / "held")), unbroken)
    alone = night_of(manifest.model_copy(update={"next_targets": 1}), read_catalogue(manifest))
    assert train(alone, config, None)[1] != unbroken[1], "next targets changed nothing"


def test_a_finished_training_is_not_done_again(folder: Path, night: Night, tmp_path: Path) -> None:
    config = configured(folder)
    once = train(night, config, Checkpoints(tmp_path))
    # One that would end at its first save: there is none.
    assert_same(train(night, config, CutOff(tmp_path, 1)), once)


def test_another_number_of_ranks_goes_on_after_the_last_whole_epoch(tmp_path: Path) -> None:
    held = Checkpoints(tmp_path)
    held.save(EPOCH, Position(epoch=2, steps_before=3), {"model.x": torch.ones(2)}, ranks=2)
    held.save(STEP, Position(epoch=2, step=1, steps_before=4), {"model.x": torch.zeros(2)}, ranks=2)
    for ranks, step, value in ((2, 1, 0.0), (1, 0, 1.0), (4, 0, 1.0)):
        found = held.newest(ranks)
        assert found is not None
        assert (found.position.epoch, found.position.step) == (2, step)
        assert found.tensors["model.x"].tolist() == [value] * 2


def test_a_damaged_checkpoint_is_passed_over_for_the_older_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = Checkpoints(tmp_path)
    held.save(EPOCH, Position(epoch=2, steps_before=3), {"model.x": torch.ones(2)}, ranks=1)
    held.save(STEP, Position(epoch=2, step=1, steps_before=4), {"model.x": torch.zeros(2)}, ranks=1)
    [newer] = tmp_path.glob("step-*.safetensors")
    newer.write_bytes(newer.read_bytes()[:-1] + b"x")
    found = held.newest(1)
    assert found is not None
    assert found.position.step == 0
    assert str(newer) in caplog.text
    (tmp_path / "epoch.json").write_text('{"format"')
    assert held.newest(1) is None


def test_a_checkpoint_replaces_the_one_before_and_leaves_nothing_else(tmp_path: Path) -> None:
    held = Checkpoints(tmp_path)
    for step in (1, 2, 3):
        held.save(STEP, Position(step=step, steps_before=step), {"model.x": torch.full((2,), float(step))}, ranks=1)
    assert len(list(tmp_path.iterdir())) == 2
    assert json.loads((tmp_path / "step.json").read_text())["position"]["step"] == 3
    held.remove()
    held.remove()
    assert not tmp_path.exists()


def test_weights_that_are_no_numbers_do_not_replace_good_ones(tmp_path: Path) -> None:
    held = Checkpoints(tmp_path)
    held.save(STEP, Position(step=1, steps_before=1), {"model.x": torch.ones(2)}, ranks=1)
    held.save(STEP, Position(step=2, steps_before=2), {"model.x": torch.tensor([1.0, float("nan")])}, ranks=1)
    found = held.newest(1)
    assert found is not None
    assert found.position.step == 1


def test_a_training_that_diverges_leaves_the_last_good_checkpoint(folder: Path, night: Night, tmp_path: Path) -> None:
    config = configured(folder, "training.learning_rate=1e30", "model.normalise=false")
    with pytest.raises(Diverged, match="last good checkpoint is kept"):
        train(night, config, Checkpoints(tmp_path))
    found = Checkpoints(tmp_path).newest(1)
    assert found is None or all(bool(torch.isfinite(value).all()) for value in found.tensors.values())


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    overrides = ["training.checkpoint_steps=1", "training.epochs=12", *more]
    words = command(["train"], DS, [folder / "night.toml"], overrides)
    return subprocess.Popen(
        words, env=environment(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def ranks_of(launcher: int) -> list[int]:
    """Process ids of the launcher's ranks, by rank."""
    children = map(int, Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split())
    rank_of = {child: Path(f"/proc/{child}/environ").read_text().partition("\0RANK=")[2][:1] for child in children}
    return sorted((child for child, rank in rank_of.items() if rank), key=lambda child: rank_of[child])


# With tables divided among the ranks the unbroken training is still the one whose ranks hold all of them.
@pytest.mark.slow
@pytest.mark.parametrize("disturbed_with", [(), ("training.shard_rows=1",)], ids=["whole", "divided"])
def test_kill_9_of_any_rank_and_a_new_start_give_the_unbroken_training(
    tmp_path: Path, disturbed_with: tuple[str, ...]
) -> None:
    folders = []
    for name in ("calm", "disturbed"):
        folder = tmp_path / name
        folder.mkdir()
        write_night(folder)
        folders.append(folder)
    calm, disturbed = folders
    printed, _ = (done := start(calm)).communicate()
    assert done.returncode == 0, printed
    for rank in (1, 0):
        running = start(disturbed, *disturbed_with)
        before = whole_steps(disturbed)
        while running.poll() is None and whole_steps(disturbed) <= before:
            time.sleep(0.02)
        assert running.poll() is None, "the training ended before it could be killed"
        os.kill(ranks_of(running.pid)[rank], signal.SIGKILL)
        printed, _ = running.communicate()
        assert running.returncode != 0
    printed, _ = (done := start(disturbed, *disturbed_with)).communicate()
    assert done.returncode == 0, printed
    assert "going on from the checkpoint of epoch" in printed
    assert outcome(disturbed) == outcome(calm)
    assert not list((disturbed / "checkpoints").iterdir()), "checkpoints outlive the registration"


def whole_steps(folder: Path) -> set[str]:
    """What makes a checkpoint inside an epoch count; files of ranks may lie there before."""
    return {file.read_text() for file in (folder / "checkpoints").rglob("step.json")}


def outcome(folder: Path) -> tuple[list[float], dict[str, bytes]]:
    """The logged loss curve and the registered weights."""
    registry = Registry(load([folder / "night.toml"]).tracking)
    held = registry.need(CHALLENGER)
    weights = load_file(registry.folder(held) / "model.safetensors")
    curve = registry.curves(held.run_id, main_cutoff=5)["loss"]
    assert len(curve) == 12
    return curve, {name: value.numpy().tobytes() for name, value in weights.items()}
