"""How far a training step is from what the machine can do: its products at the machine's own speed, and its rows.

Counted are the operations of all matrix products, and the bytes that no step can avoid: the row of each distinct item
is read, its gradient is written and read, and Adam reads and writes the row and its two moments. A step that did
nothing else, and did the two one after the other, would take `Machine.seconds`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

_TIMES_A_ROW = 9
"""1 to look it up, 2 for the gradient, 6 for Adam."""
_BYTES = 4
_SIDE, _COPIED = 1024, 64_000_000


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What one thread count of this machine does."""

    product_gflops: float
    """Billions of floating-point operations a second of a large matrix product."""
    copied_gb_per_s: float
    """Bytes read and written a second, in billions, of a large copy."""

    def seconds(self, flops: float, distinct_rows: int, dimension: int) -> float:
        moved = _TIMES_A_ROW * _BYTES * distinct_rows * dimension
        return flops / (1e9 * self.product_gflops) + moved / (1e9 * self.copied_gb_per_s)


def measured_machine() -> Machine:
    a, b = torch.randn(_SIDE, _SIDE), torch.randn(_SIDE, _SIDE)
    source, target = torch.ones(_COPIED), torch.empty(_COPIED)
    return Machine(
        product_gflops=2 * _SIDE**3 / _median(lambda: a @ b, 15) / 1e9,
        copied_gb_per_s=2 * _BYTES * _COPIED / _median(lambda: target.copy_(source), 5) / 1e9,
    )


def product_flops(step: Callable[[int], None]) -> float:
    """Floating-point operations of a step's matrix products."""
    with FlopCounterMode(display=False) as counted:
        step(0)
    return float(counted.get_total_flops())


def _median(call: Callable[[], object], times: int) -> float:
    found = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return statistics.median(found)
