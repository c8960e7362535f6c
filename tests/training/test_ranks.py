"""Two processes of the real launcher train the model that one process would."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from mind.config import Config, load
from mind.launch import environment
from mind.model import MIND, NegativeSampler, generator_for
from mind.storage.tuple_files import read_catalogue
from mind.tables.manifest import Manifest
from mind.tracking.registry import CHALLENGER
from mind.training.distributed import Ranks
from mind.training.loader import Batch, TupleLoader
from mind.training.night import night_of
from mind.training.trainer import Night, Trainer, build_model
from tests.training.small_night import DS, Trained, write_night
from tests.training.train_ranks import IN_BATCH, known_gradients

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = Path(__file__).with_name("train_ranks.py")


@pytest.fixture(scope="module")
def folder(trained: Trained) -> Path:
    return trained.folder


@pytest.fixture(scope="module")
def manifest(trained: Trained) -> Manifest:
    return trained.manifest


@pytest.fixture(scope="module")
def of_several(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """A night whose tuples have next targets."""
    folder = tmp_path_factory.mktemp("several")
    return folder, write_night(folder, next_targets=3)


@pytest.fixture(scope="module")
def launched(trained: Trained, of_several: tuple[Path, Manifest]) -> Path:
    """What two ranks wrote down."""
    out = trained.folder / "launched"
    out.mkdir()
    words = [
        "torchrun",
        "--standalone",
        "--nproc-per-node=2",
        str(SCRIPT),
        str(trained.folder),
        DS.isoformat(),
        str(out),
        str(of_several[0]),
    ]
    done = subprocess.run(words, env=environment(), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.fixture(scope="module")
def two_ranks(launched: Path) -> Path:
    return launched / "in_batch"


def configured(folder: Path, *overrides: str) -> Config:
    return load([folder / "night.toml"], overrides, default=ROOT / "conf/default.toml")


def by_hand(config: Config, night: Night, ranks: int) -> tuple[MIND, float]:
    """One process on the same global batches, by an obvious loop; the model and the mean loss after one epoch."""
    training = config.training
    model = build_model(config.model, night, training.seed)
    optimisers = [
        torch.optim.SparseAdam(model.sparse_parameters(), lr=training.learning_rate),
        torch.optim.Adam(model.dense_parameters(), lr=training.learning_rate),
    ]
    sampler = NegativeSampler(training.sampler, night.manifest.items, night.counts_V)
    loaders = [
        TupleLoader(
            night.manifest,
            rank=rank,
            ranks=ranks,
            batch_size=training.batch_size,
            shuffle_rows=training.shuffle_rows,
            seed=training.seed,
        )
        for rank in range(ranks)
    ]
    losses = []
    model.train()
    for step, parts in enumerate(zip(*[loader.epoch(1) for loader in loaders], strict=True)):
        target_BF = joined(parts, "target_BF")
        negatives = sampler.draw(
            training.negatives, generator_for(training.seed, 1, step), padded(parts, training.batch_size // ranks)
        )
        given = (joined(parts, "history_BL"), joined(parts, "profile_BP"), target_BF, *negatives, step + 1)
        next_BE = joined(parts, "next_BE") if night.manifest.next_targets > 1 else None
        loss_B = model(*given, next_BE=next_BE)
        for optimiser in optimisers:
            optimiser.zero_grad()
        loss_B.mean().backward()
        for optimiser in optimisers:
            optimiser.step()
        losses += loss_B.tolist()
    return model, float(np.mean(losses))


def joined(parts: tuple[Batch, ...], name: str) -> Tensor:
    return torch.from_numpy(np.concatenate([getattr(part, name) for part in parts]))


def padded(parts: tuple[Batch, ...], rows: int) -> Tensor:
    """The targets of all ranks as every rank sees them."""
    places = [torch.zeros(rows, dtype=torch.int64) for _ in parts]
    for place, part in zip(places, parts, strict=True):
        place[: len(part.target_BF)] = torch.from_numpy(part.target_BF[:, 0].astype(np.int64))
    return torch.cat(places)


def assert_near(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(
            found[name], value, rtol=1e-5, atol=1e-6, msg=lambda told, name=name: f"{name}: {told}"
        )


def test_gradients_are_the_sums_over_ranks_and_the_same_bits_on_all(launched: Path) -> None:
    first, second = (load_file(launched / f"gradients-{rank}.safetensors") for rank in (0, 1))
    parameters = [[*tables, *dense] for tables, dense in (known_gradients(rank) for rank in (0, 1))]
    for place, (mine, other) in enumerate(zip(*parameters, strict=True)):
        assert mine.grad is not None
        assert other.grad is not None
        wanted = mine.grad.to_dense() + other.grad.to_dense()
        assert wanted.any()
        torch.testing.assert_close(first[f"gradient {place}"], wanted)
        assert torch.equal(first[f"gradient {place}"], second[f"gradient {place}"])


def test_every_rank_gets_the_leaders_values(launched: Path) -> None:
    for rank in (0, 1):
        assert not load_file(launched / f"gradients-{rank}.safetensors")["shared"].any()


def test_two_ranks_with_uneven_rows_give_the_weights_of_one_process(
    folder: Path, manifest: Manifest, two_ranks: Path
) -> None:
    config = configured(folder, *IN_BATCH)
    model, loss = by_hand(config, night_of(manifest, read_catalogue(manifest)), ranks=2)
    found = load_file(two_ranks / "weights-0.safetensors")
    assert_near(found, model.state_dict())
    untrained = build_model(config.model, night_of(manifest, read_catalogue(manifest)), config.training.seed)
    moved = [
        name for name, value in untrained.state_dict().items() if not torch.allclose(found[name], value, atol=1e-3)
    ]
    assert {"mapping_DD", "item_embedding.tables.0.weight"} & set(moved), "the training moved nothing"
    told = json.loads((two_ranks / "metrics-0.json").read_text())
    assert told["metrics"][0]["loss"] == pytest.approx(loss, rel=1e-6)


def test_two_ranks_with_next_targets_give_the_weights_of_one_process(
    of_several: tuple[Path, Manifest], launched: Path
) -> None:
    folder, manifest = of_several
    night = night_of(manifest, read_catalogue(manifest))
    model, loss = by_hand(configured(folder, *IN_BATCH), night, ranks=2)
    assert_near(load_file(launched / "several" / "weights-0.safetensors"), model.state_dict())
    told = json.loads((launched / "several" / "metrics-1.json").read_text())
    assert told["metrics"][0]["loss"] == pytest.approx(loss, rel=1e-6)


def test_all_ranks_end_with_the_same_bits_and_the_same_metrics(two_ranks: Path) -> None:
    first, second = (load_file(two_ranks / f"weights-{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    told = [json.loads((two_ranks / f"metrics-{rank}.json").read_text())["metrics"][0] for rank in (0, 1)]
    shared = [name for name in told[0] if name.startswith("validation") or name == "loss"]
    assert len(shared) == 3
    assert [told[0][name] for name in shared] == [told[1][name] for name in shared]


def test_two_identical_trainings_are_equal_to_the_bit(launched: Path, trained: Trained) -> None:
    again = load_file(launched / "plain" / "weights-0.safetensors")
    registered = trained.registry.folder(trained.registry.need(CHALLENGER)) / "model.safetensors"
    once = load_file(registered)
    assert once.keys() == again.keys()
    assert all(torch.equal(value, again[name]) for name, value in once.items())


def test_a_loss_that_is_no_number_stops_all_ranks_and_registers_nothing(launched: Path, trained: Trained) -> None:
    told = {(launched / f"diverged-{rank}.txt").read_text() for rank in (0, 1)}
    assert len(told) == 1, "the ranks stopped at different steps"
    assert "nothing is registered, and the last good checkpoint is kept" in told.pop()
    assert not trained.client.search_registered_models("name = 'other'")
    experiment = trained.client.get_experiment_by_name("mind").experiment_id
    [run] = trained.client.search_runs([experiment], "params.learning_rate = '1e+30'")
    assert run.info.status == "FAILED"


@pytest.mark.parametrize("sampler", ["uniform", "mixed"])
def test_one_rank_alone_trains_as_the_obvious_loop_does(folder: Path, manifest: Manifest, sampler: str) -> None:
    config = configured(folder, f"training.sampler={sampler}", "training.epochs=1")
    night = night_of(manifest, read_catalogue(manifest))
    network = build_model(config.model, night, config.training.seed)
    told = []
    Trainer(night, network, config.training, config.evaluation, Ranks(0, 1)).run(
        lambda epoch, found: told.append(found)
    )
    wanted, loss = by_hand(config, night, ranks=1)
    assert_near(network.state_dict(), wanted.state_dict())
    assert told[0]["loss"] == pytest.approx(loss, rel=1e-6)


def test_the_best_epoch_is_kept_not_the_last(folder: Path, manifest: Manifest) -> None:
    config = configured(folder, "training.epochs=6", "training.learning_rate=0.3")
    night = night_of(manifest, read_catalogue(manifest))
    network = build_model(config.model, night, config.training.seed)
    reached, weights = [], []

    def note(epoch: int, found: dict[str, float]) -> None:
        reached.append(found["validation_hit_rate_at_5"])
        weights.append({name: value.clone() for name, value in network.state_dict().items()})

    best = Trainer(night, network, config.training, config.evaluation, Ranks(0, 1)).run(note)
    assert len(set(reached)) > 1, "the epochs do not differ; choose another learning rate"
    assert best == reached.index(max(reached)) + 1 != 6
    assert all(torch.equal(value, weights[best - 1][name]) for name, value in network.state_dict().items())
