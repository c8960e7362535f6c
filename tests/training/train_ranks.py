"""Started by torchrun, one process a rank: sums known gradients, then trains, and writes down what this rank holds.

torchrun --nproc-per-node=2 train_ranks.py NIGHT_FOLDER DS OUT_FOLDER [section.key=value ...]
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from mind.config import load
from mind.storage.tuple_files import read_catalogue, read_manifest
from mind.training.distributed import Ranks, ranks
from mind.training.night import night_of
from mind.training.trainer import Trainer, build_model


def known_gradients(rank: int) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Two tables whose touched rows overlap between ranks, and two dense parameters; all values depend on the rank."""
    generator = torch.Generator().manual_seed(100 + rank)
    tables = [nn.Parameter(torch.zeros(rows, 4)) for rows in (10, 7)]
    touched = [[[1, 1, 3], [0, 6]], [[9, 3], []]][rank]
    for table, rows in zip(tables, touched, strict=True):
        values = torch.randn(len(rows), 4, generator=generator)
        table.grad = torch.sparse_coo_tensor(torch.tensor([rows], dtype=torch.int64), values, table.shape)
    dense = [nn.Parameter(torch.zeros(shape)) for shape in ((3, 2), (5,))]
    for parameter in dense:
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    return tables, dense


def summed(group: Ranks) -> dict[str, torch.Tensor]:
    tables, dense = known_gradients(group.rank)
    group.sum_gradients(tables, dense)
    held = {f"gradient {place}": parameter.grad.to_dense() for place, parameter in enumerate([*tables, *dense])}
    return {name: value.contiguous() for name, value in held.items()}


def main() -> None:
    folder, ds, out, *overrides = sys.argv[1:]
    config = load([Path(folder) / "night.toml"], overrides)
    manifest = read_manifest(config.lake.root, date.fromisoformat(ds))
    night = night_of(manifest, read_catalogue(manifest))
    with ranks(config.training.threads_per_process) as group:
        save_file(summed(group), f"{out}/gradients-{group.rank}.safetensors")
        network = build_model(config.model, night, config.training.seed)
        metrics = []
        trainer = Trainer(night, network, config.training, config.evaluation, group)
        best = trainer.run(lambda epoch, found: metrics.append(found))
        weights = {name: value.contiguous() for name, value in network.state_dict().items()}
        save_file(weights, f"{out}/weights-{group.rank}.safetensors")
        told = json.dumps({"best": best, "metrics": metrics})
        (Path(out) / f"metrics-{group.rank}.json").write_text(told)


if __name__ == "__main__":
    main()
