"""The ranks of a training: what torchrun says, and the few things they tell each other."""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from mind.errors import BrokenPromise
from mind.training.adam import touched

_OPENED = itertools.count(1)
"""Numbers the process groups of this process; all ranks open the same ones."""
PR_SET_PDEATHSIG = 1
"""From Linux's sys/prctl.h."""


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
        return bool(self.of_leader(float(value)))

    def of_leader(self, value: float) -> float:
        """The leader's number, on all ranks."""
        return self.total([value if self.leads else 0.0])[0]

    def share(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give every rank the leader's values."""
        if self.count > 1:
            for parameter in parameters:
                dist.broadcast(parameter.data, src=0)

    def gathered(self, target_B: Tensor, rows: int) -> Tensor:
        """The item indexes of all ranks' targets, in rank order, each rank's part padded with 0 to `rows`."""
        mine = torch.zeros(rows, dtype=torch.int64)
        mine[: target_B.numel()] = target_B
        if self.count == 1:
            return mine
        parts = [torch.zeros_like(mine) for _ in range(self.count)]
        dist.all_gather(parts, mine)
        return torch.cat(parts)

    def exchanged(
        self, values_M: Tensor, counts: Sequence[int], received: Sequence[int] | None = None
    ) -> tuple[Tensor, list[int]]:
        """What the other ranks have for this one, in rank order, and how many rows are of each.

        Args:
            values_M: rows for rank 0, then those for rank 1 and so on; any further dimensions, the same on all ranks.
            counts: rows for each rank.
            received: rows from each rank, where they are known.
        """
        if self.count == 1:
            return values_M, list(counts)
        if received is None:
            asked = torch.empty(self.count, dtype=torch.int64)
            dist.all_to_all_single(asked, torch.tensor(counts))
            received = asked.tolist()
        found_M = values_M.new_empty(sum(received), *values_M.shape[1:])
        dist.all_to_all_single(found_M, values_M.contiguous(), list(received), list(counts))
        return found_M, list(received)

    def every(self, value: bytes) -> list[bytes]:
        """The values of all ranks, in rank order; all of one length."""
        if self.count == 1:
            return [value]
        parts = [torch.zeros(len(value), dtype=torch.uint8) for _ in range(self.count)]
        dist.all_gather(parts, torch.frombuffer(bytearray(value), dtype=torch.uint8))
        return [bytes(part.tolist()) for part in parts]

    def sum_gradients(self, tables: Sequence[nn.Parameter], dense: Sequence[nn.Parameter]) -> None:
        """Replace every gradient by its sum over ranks, the same bits on all of them.

        Args:
            tables: with sparse gradients, all of one width; only the rows that a rank touched travel.
            dense: the other parameters; their gradients travel as one buffer.

        DDP is not used: with sparse gradients over gloo (torch 2.13.0) it corrupted the heap now and then, about once
        in several thousand steps ("malloc(): unaligned tcache chunk detected").
        """
        if self.count == 1:
            return
        flat = torch.cat([_gradient(parameter).reshape(-1) for parameter in dense])
        dist.all_reduce(flat)
        for parameter, part in zip(dense, torch.split(flat, [parameter.numel() for parameter in dense]), strict=True):
            parameter.grad = part.view_as(parameter)
        if not tables:
            return
        starts = [0, *itertools.accumulate(len(table) for table in tables)]
        parts = [touched(_gradient(table)) for table in tables]
        row_M = torch.cat([rows + start for (rows, _), start in zip(parts, starts, strict=False)])
        value_MD = torch.cat([values for _, values in parts])
        size = (starts[-1], value_MD.shape[1])
        every_R, every_RD = self._gathered_rows(row_M, value_MD)
        # Coalescing adds rows in rank order, so every rank gets the same sum.
        total = torch.sparse_coo_tensor(every_R[None], every_RD, size, check_invariants=False).coalesce()
        cuts = torch.searchsorted(total.indices()[0], torch.tensor(starts)).tolist()
        for table, start, first, last in zip(tables, starts, cuts, cuts[1:], strict=False):
            rows = total.indices()[:, first:last] - start
            table.grad = torch.sparse_coo_tensor(
                rows, total.values()[first:last], table.shape, is_coalesced=True, check_invariants=False
            )

    def _gathered_rows(self, row_M: Tensor, value_MD: Tensor) -> tuple[Tensor, Tensor]:
        """The rows of all ranks, one rank after the other."""
        counts = [torch.zeros(1, dtype=torch.int64) for _ in range(self.count)]
        dist.all_gather(counts, torch.tensor([len(row_M)]))
        most = max(int(count) for count in counts)
        # gloo gathers equal sizes only; the padding is cut off again.
        rows = [torch.zeros(most, dtype=torch.int64) for _ in range(self.count)]
        dist.all_gather(rows, functional.pad(row_M, (0, most - len(row_M))))
        values = [torch.zeros(most, value_MD.shape[1]) for _ in range(self.count)]
        dist.all_gather(values, functional.pad(value_MD, (0, 0, 0, most - len(value_MD))))
        kept = list(zip(counts, rows, values, strict=True))
        return (
            torch.cat([row[: int(count)] for count, row, _ in kept]),
            torch.cat([value[: int(count)] for count, _, value in kept]),
        )


def _gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        raise BrokenPromise(f"a parameter of shape {tuple(parameter.shape)} got no gradient on this rank")
    return parameter.grad


def die_with_the_parent() -> None:
    """Let Linux kill this process when the one that started it is killed, torchrun for example, which has no time to do
    it then.

    Ranks have sessions of their own; they would train on beside the next try and write into its checkpoints.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def ranks(threads: int) -> Iterator[Ranks]:
    """The process group that torchrun describes; one process alone where it does not."""
    torch.set_num_threads(threads)
    # The same night must give the same model: no kernel whose sums depend on timing.
    torch.use_deterministic_algorithms(True)
    # It would also fill every new tensor before the kernel that fills it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks(0, 1)
        return
    die_with_the_parent()
    store, rank, _ = next(dist.rendezvous("env://"))  # type: ignore[attr-defined]
    # A second group of the same processes must not find the addresses of the first.
    own = dist.PrefixStore(f"group {next(_OPENED)}", store)  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=own, rank=rank, world_size=count)
    try:
        yield Ranks(dist.get_rank(), count)
    finally:
        dist.destroy_process_group()
