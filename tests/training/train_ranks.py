"""Started by torchrun, one process a rank: sums known gradients, then trains, and writes down what this rank holds.

torchrun --nproc-per-node=2 train_ranks.py NIGHT_FOLDER DS OUT_FOLDER [FOLDER_OF_A_NIGHT_WITH_NEXT_TARGETS]
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from mind.config import Config, load
from mind.storage.tuple_files import read_catalogue, read_manifest
from mind.tracking.registry import Registry
from mind.training.distributed import Ranks, ranks
from mind.training.night import night_of
from mind.training.session import train_and_register
from mind.training.trainer import Diverged, Night, Trainer, build_model

IN_BATCH = ("training.sampler=in_batch", "training.epochs=1")
EXPLODING = ("training.learning_rate=1e30", "model.normalise=false", "tracking.model_name=other")


def known_gradients(rank: int) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Two tables whose touched rows overlap between ranks, and two dense parameters; all values depend on the rank."""
    generator = torch.Generator().manual_seed(100 + rank)
    tables = [nn.Parameter(torch.zeros(rows, 4)) for rows in (10, 7)]
    touched = [[[1, 1, 3], [0, 6]], [[9, 3], []]][rank]
    for table, rows in zip(tables, touched, strict=True):
        values = torch.randn(len(rows), 4, generator=generator)
        places = torch.tensor([rows], dtype=torch.int64)
        table.grad = torch.sparse_coo_tensor(places, values, table.shape, check_invariants=True)
    dense = [nn.Parameter(torch.zeros(shape)) for shape in ((3, 2), (5,))]
    for parameter in dense:
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    return tables, dense


def summed(group: Ranks) -> dict[str, torch.Tensor]:
    tables, dense = known_gradients(group.rank)
    group.sum_gradients(tables, dense)
    held = {f"gradient {place}": parameter.grad.to_dense() for place, parameter in enumerate([*tables, *dense])}
    shared = nn.Parameter(torch.full((3, 2), float(group.rank)))
    group.share([shared])
    held["shared"] = shared.detach()
    return {name: value.contiguous() for name, value in held.items()}


def trained(night: Night, config: Config, group: Ranks, out: Path) -> None:
    """Train, and write down this rank's weights and metrics."""
    out.mkdir(exist_ok=True)
    network = build_model(config.model, night, config.training.seed)
    metrics = []
    trainer = Trainer(night, network, config.training, config.evaluation, group)
    best = trainer.run(lambda epoch, found: metrics.append(found))
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(weights, out / f"weights-{group.rank}.safetensors")
    (out / f"metrics-{group.rank}.json").write_text(json.dumps({"best": best, "metrics": metrics}))


def night_in(config: Config, ds: date) -> Night:
    manifest = read_manifest(config.lake.root, ds)
    return night_of(manifest, read_catalogue(manifest))


def main() -> None:
    folder, ds, out = Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), Path(sys.argv[3])
    plain, in_batch, exploding = (load([folder / "night.toml"], changes) for changes in ((), IN_BATCH, EXPLODING))
    several = [load([Path(other) / "night.toml"], IN_BATCH) for other in sys.argv[4:]]
    night = night_in(plain, ds)
    with ranks(1) as group:
        save_file(summed(group), out / f"gradients-{group.rank}.safetensors")
        trained(night, in_batch, group, out / "in_batch")
        trained(night, plain, group, out / "plain")
        for config in several:
            trained(night_in(config, ds), config, group, out / "several")
        rank = group.rank
    try:
        registry = Registry(exploding.tracking)
        train_and_register(night, ds, registry, exploding.model, exploding.training, exploding.evaluation, {})
    except Diverged as error:
        (out / f"diverged-{rank}.txt").write_text(str(error))


if __name__ == "__main__":
    main()
