"""The ranks of a training: what torchrun says, and the few things they tell each other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Ranks:
    """This process among the processes that train together."""

    rank: int
    count: int

    @property
    def leads(self) -> bool:
        """True on the one process that logs, saves and registers (the global rank, not the local one)."""
        return self.rank == 0

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over ranks, the same on all of them."""
        sums = torch.tensor(values, dtype=torch.float64)
        if self.count > 1:
            dist.all_reduce(sums)
        result: list[float] = sums.tolist()
        return result

    def agreed(self, value: bool) -> bool:
        """The leader's answer, on all ranks."""
        return bool(self.total([float(value and self.leads)])[0])

    def gathered(self, target_B: Tensor, rows: int) -> Tensor:
        """The item indexes of all ranks' targets, in rank order, each rank's part padded with 0 to `rows`."""
        mine = torch.zeros(rows, dtype=torch.int64)
        mine[: target_B.numel()] = target_B
        if self.count == 1:
            return mine
        parts = [torch.zeros_like(mine) for _ in range(self.count)]
        dist.all_gather(parts, mine)
        return torch.cat(parts)


@contextmanager
def ranks(threads: int) -> Iterator[Ranks]:
    """The process group that torchrun describes; one process alone where it does not."""
    torch.set_num_threads(threads)
    # The same night must give the same model: no kernel whose sums depend on timing.
    torch.use_deterministic_algorithms(True)
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks(0, 1)
        return
    dist.init_process_group("gloo")
    try:
        yield Ranks(dist.get_rank(), count)
    finally:
        dist.destroy_process_group()
