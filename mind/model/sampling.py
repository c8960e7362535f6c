"""Shared negatives of a global batch, with the expected count that the log-Q correction needs.

Shapes: N negatives, M targets of the global batch, V catalogue rows, R real items (V - 2).

Every rank that draws with the same (seed, epoch, step), and in-batch with the same gathered targets, gets the
same negatives. Only item indexes travel between ranks: each rank embeds them from its own copy of the tables,
so that gradients are those of one process. Negatives are always real items (index 2 and up).
"""

import hashlib
import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from mind.model.codes import FIRST_REAL

SamplerKind = Literal["uniform", "log_uniform", "in_batch", "mixed"]
SAMPLERS: tuple[SamplerKind, ...] = ("uniform", "log_uniform", "in_batch", "mixed")


class Negatives(NamedTuple):
    """One draw, shared by all rows of the global batch."""

    items_N: Tensor
    """Item indexes, int64, on the CPU; an item may occur more than once."""
    log_expected_N: Tensor
    """log of the expected number of times that the draw holds this item, float32."""


def generator_for(seed: int, epoch: int, step: int) -> torch.Generator:
    """A CPU generator that depends on all three numbers, so that no two steps share their negatives."""
    digest = hashlib.sha256(f"negatives {seed} {epoch} {step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


class NegativeSampler:
    """Draws N negatives with replacement from q, and says what count to expect of each.

    uniform: q(i) = 1 / R; expected count N q(i).
    log_uniform: q(i) = log((k + 2) / (k + 1)) / log(R + 1), k = the item's popularity rank from 0 (by
        `counts`, ties by index); expected count N q(i).
    in_batch: the global batch's own targets, q(i) = counts(i) / sum(counts), the share of item i among
        targets. A row's own target is masked as a hit, so the other M - 1 are the draw: expected count
        n (M - 1) / M q(i) when n of the M are used.
    mixed: n = min(N // 2, M) targets without replacement, the rest uniform: Q(i), the expected count, is
        (N - n) / R + n (M - 1) / M q(i).

    Args:
        kind: one of SAMPLERS.
        catalogue_size: V, with the rows of padding and unknown.
        counts_V: how often each item is a training target (needed by all kinds but uniform). Targets that the
            counts do not know are treated as seen once.

    Raises:
        ValueError: unknown kind, no real item, counts missing or of the wrong shape.
    """

    def __init__(self, kind: SamplerKind, catalogue_size: int, counts_V: Tensor | None = None) -> None:
        if kind not in SAMPLERS:
            raise ValueError(f"sampler is {kind!r}, it must be one of {', '.join(SAMPLERS)}; choose one of them")
        if catalogue_size <= FIRST_REAL:
            raise ValueError(
                f"catalogue_size is {catalogue_size}, it must be above {FIRST_REAL} (padding and unknown are "
                "no negatives); give the rows of the item table"
            )
        self.kind: SamplerKind = kind
        self.real_items = catalogue_size - FIRST_REAL
        if kind != "uniform":
            counts = self._checked(counts_V, catalogue_size)
            if kind == "log_uniform":
                self._item_by_rank = counts[FIRST_REAL:].argsort(descending=True, stable=True) + FIRST_REAL
            else:
                total = max(float(counts[FIRST_REAL:].sum()), 1.0)
                self._share_V = counts.clamp_min(1.0) / total if kind == "in_batch" else counts / total

    def draw(self, count: int, generator: torch.Generator, targets_M: Tensor | None = None) -> Negatives:
        """N negatives.

        Args:
            count: N; in_batch returns fewer where the batch holds fewer targets.
            generator: CPU generator, see `generator_for`.
            targets_M: target item indexes of the whole global batch, in the same order on every rank
                (in_batch and mixed). Unknown targets (index 1) are left out.

        Raises:
            ValueError: count below 1, or targets missing where the kind needs them.
        """
        if count < 1:
            raise ValueError(f"count is {count}, it must be at least 1; ask for one negative or more")
        if self.kind == "uniform":
            items_N = self._uniform(count, generator)
            log_expected_N = torch.full((count,), math.log(count / self.real_items))
            return Negatives(items_N, log_expected_N)
        if self.kind == "log_uniform":
            return self._log_uniform(count, generator)
        if targets_M is None:
            raise ValueError(
                f"targets_M is None, sampler {self.kind!r} draws from the batch; pass the gathered targets"
            )
        targets_M = targets_M.detach().cpu().long()
        return self._from_batch(count, generator, targets_M[targets_M >= FIRST_REAL])

    def _uniform(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randint(FIRST_REAL, FIRST_REAL + self.real_items, (count,), generator=generator)

    def _log_uniform(self, count: int, generator: torch.Generator) -> Negatives:
        span = math.log(self.real_items + 1)
        position_N = torch.rand(count, generator=generator, dtype=torch.float64)
        rank_N = ((position_N * span).exp().floor().long() - 1).clamp(0, self.real_items - 1)
        share_N = torch.log1p(1.0 / (rank_N.double() + 1.0)) / span
        return Negatives(self._item_by_rank[rank_N], (count * share_N).log().float())

    def _from_batch(self, count: int, generator: torch.Generator, targets_M: Tensor) -> Negatives:
        available = targets_M.numel()
        wanted = count if self.kind == "in_batch" else count // 2
        used = min(wanted, available)
        chosen = targets_M[torch.randperm(available, generator=generator)[:used]]
        uniform = 0 if self.kind == "in_batch" else count - used
        items_N = torch.cat([chosen, self._uniform(uniform, generator)])
        # A batch of one target has no other rows, but its only negative is masked: any finite number will do.
        others = used * max(available - 1, 1) / max(available, 1)
        expected_N = others * self._share_V[items_N] + uniform / self.real_items
        return Negatives(items_N, expected_N.log().float())

    def _checked(self, counts_V: Tensor | None, catalogue_size: int) -> Tensor:
        if counts_V is None or tuple(counts_V.shape) != (catalogue_size,):
            found = "missing" if counts_V is None else f"of shape {tuple(counts_V.shape)}"
            raise ValueError(
                f"counts_V is {found}, sampler {self.kind!r} needs one count for each of the "
                f"{catalogue_size} "
                "catalogue rows; count the training targets by item index"
            )
        counts = counts_V.detach().cpu().double()
        if not bool(torch.isfinite(counts).all()) or bool((counts < 0).any()):
            raise ValueError("counts_V has negative or non-finite entries, counts are 0 or more; count again")
        return counts
