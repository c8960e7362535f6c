"""What docs/billion_items.md plans with: constants of this machine, and the plan that follows from them.

torchrun --standalone --nproc-per-node=2 -m tests.bench.billion [--rows 1000000] [--rounds 15]

Two processes with one thread each. The leader alone measures what needs no network while the other waits; then both
exchange rows over gloo, and both take the trainer's step with a table that is divided between them, which the plan's
formula is held against. What one process does alone counts CPU seconds (medians), which a busy neighbour lengthens
less; what two do together goes by the clock, the fastest of the rounds. Histories are those of tests.bench.train: items
are uniform, so hardly a row is shared.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.distributed as dist

from mind.config import load
from mind.training.adam import Adam
from mind.training.distributed import Ranks, ranks
from mind.training.divided_tables import DividedTables, LookedUp, table_maker
from mind.training.trainer import Trainer, build_model
from tests.bench.train import BATCH, DIMENSION, INTERESTS, LENGTH, NEGATIVES, batches, night

ITEMS = 1_000_000_000
RANKS = (8, 32, 128)
FLOATS = 4
"""Kept of each entry of a row: the weight, both moments, the weight of the best epoch."""
SMALL = 10_000
"""Items of a table that costs next to nothing: what is left is the network's computation."""
EXCHANGED = 60_000_000
"""Bytes that each process sends to the other in a measurement of the bandwidth."""
EXCHANGES = 6
"""A step's messages to every other rank: counts, codes and rows to fetch rows, and the same to return gradients."""


class Look(NamedTuple):
    """What a rank's step looks up, on the average."""

    rows: float
    per_example: float


@dataclass(frozen=True, kw_only=True)
class Constants:
    compute_us: float
    """Of an example, with a small table."""
    moved_ns: float
    """Of a row: sorted, taken from the table, put where the batch sees it, its gradient returned; no network."""
    update_ns: float
    """Of a row: Adam with both moments."""
    bytes_per_s: float
    """Between two processes, in each direction at once."""
    message_us: float
    """Of an exchange of nothing between two processes."""


def seconds(act: Callable[[], object], rounds: int, clock: Callable[[], float]) -> list[float]:
    """Of each round, after two that do not count."""
    told = []
    for place in range(rounds + 2):
        started = clock()
        act()
        if place > 1:
            told.append(clock() - started)
    return told


def trainer(items: int, group: Ranks, batch_size: int, *, divided: bool) -> Trainer:
    config = load(
        overrides=[
            *(f"model.dimension={DIMENSION}", f"model.interests={INTERESTS}", f"training.negatives={NEGATIVES}"),
            *(f"training.batch_size={batch_size}", f"training.processes={group.count}"),
        ]
    )
    held = night(items, [])
    model = build_model(config.model, held, 1, table_maker(SMALL if divided else 0, group))
    return Trainer(held, model, config.training, config.evaluation, group)


def compute_us(rounds: int) -> float:
    given, ours = batches(SMALL), trainer(SMALL, Ranks(0, 1), BATCH, divided=False)
    places = iter(range(rounds + 2))
    told = seconds(lambda: ours.step(given[next(places) % len(given)]), rounds, time.process_time)
    return statistics.median(told) / BATCH * 1e6


def row_ns(rows: int, rounds: int) -> tuple[float, float]:
    """Of moving a row, and of updating it."""
    alone = Ranks(0, 1)
    model = build_model(load().model, night(rows, []), 1, table_maker(1, alone))
    tables, adam = DividedTables(model, alone), Adam(model.sparse_parameters(), [], 1e-3)
    generator = torch.Generator().manual_seed(1)
    table = model.item_embedding.tables[0]
    moved, updated, touched = [], [], []
    for place in range(rounds + 2):
        item_N = torch.randint(2, rows, (BATCH * LENGTH // 2,), generator=generator)
        times = [time.process_time()]
        tables.bring(LookedUp(item_N))
        times.append(time.process_time())
        code_M, _ = table.take_gradient()
        window_UD, _ = table.seen(code_M)
        gradient = torch.sparse_coo_tensor(
            torch.arange(1, len(code_M))[None],
            torch.ones(len(code_M) - 1, DIMENSION),
            window_UD.shape,
            check_invariants=False,
        )
        window_UD.grad = gradient
        times.append(time.process_time())
        tables.return_gradients()
        times.append(time.process_time())
        adam.step()
        times.append(time.process_time())
        if place > 1:
            moved.append(times[1] - times[0] + times[3] - times[2])
            updated.append(times[4] - times[3])
            touched.append(len(code_M))
    mean = statistics.mean(touched)
    return statistics.median(moved) / mean * 1e9, statistics.median(updated) / mean * 1e9


def network(group: Ranks, rounds: int) -> tuple[float, float]:
    """Bytes a second that a process receives while it sends as many; seconds of an exchange of nothing."""
    half = EXCHANGED // (4 * DIMENSION)
    counts = [half if rank != group.rank else 0 for rank in range(group.count)]
    values = torch.ones(half, DIMENSION)
    took = min(seconds(lambda: group.exchanged(values, counts, counts), rounds, time.perf_counter))
    nothing = [0] * group.count
    empty = seconds(lambda: group.exchanged(values[:0], nothing, nothing), 10 * rounds, time.perf_counter)
    return half * 4 * DIMENSION / took, min(empty)


def looked_up() -> Look:
    """Distinct rows of a step, as if no two look-ups shared a row."""
    lengths = [float((batch.history_BL != 0).sum()) / BATCH for batch in batches(ITEMS)]
    per_example = statistics.mean(lengths) + 1
    return Look(BATCH * per_example + NEGATIVES, per_example)


def step_seconds(found: Constants, count: int, examples: int, rows: float) -> tuple[float, float, float]:
    """Computation, rows in memory, and network of a rank's step."""
    away = (count - 1) / count
    sent = rows * away * travelled()
    memory = rows * (found.moved_ns + found.update_ns) / 1e9
    messages = EXCHANGES * (count - 1) * found.message_us / 1e6
    return examples * found.compute_us / 1e6, memory, sent / found.bytes_per_s + messages


def travelled() -> int:
    """Bytes that a row sends: its code and its values when it is fetched, both again for the gradient."""
    return 2 * (8 + 4 * DIMENSION)


def plan(found: Constants, look: Look) -> str:
    lines = [
        "| ranks | rows of tables, GB | catalogue, GB | rows a step | GB sent a step | compute, ms | rows, ms "
        "| network, ms | step, ms | examples/s, all |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for count in RANKS:
        parts = step_seconds(found, count, BATCH, look.rows)
        table = ITEMS / count * DIMENSION * 4 * FLOATS / 1e9
        sent = look.rows * (count - 1) / count * travelled() / 1e9
        times = " | ".join(f"{part * 1e3:,.0f}" for part in (*parts, sum(parts)))
        lines.append(
            f"| {count} | {table:,.0f} | {ITEMS * 16 / 1e9:,.0f} | {look.rows:,.0f} | {sent:.3f} | {times} "
            f"| {count * BATCH / sum(parts):,.0f} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table on each process")
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args(arguments)
    with ranks(1) as group:
        if group.count != 2:
            raise SystemExit("start two processes: torchrun --standalone --nproc-per-node=2 -m tests.bench.billion")
        alone = (compute_us(asked.rounds), *row_ns(asked.rows, asked.rounds)) if group.leads else (0.0, 0.0, 0.0)
        dist.barrier()
        speed, message = network(group, asked.rounds)
        found = Constants(
            compute_us=alone[0],
            moved_ns=alone[1],
            update_ns=alone[2],
            bytes_per_s=speed,
            message_us=message * 1e6,
        )
        items = asked.rows * group.count
        given, ours = batches(items), trainer(items, group, BATCH * group.count, divided=True)
        # Both ranks take other rows of the same size.
        places = iter(range(group.rank, 10 * asked.rounds + 10, 2))
        by_clock, by_cpu = (
            seconds(lambda: ours.step(given[next(places) % len(given)]), asked.rounds, clock)
            for clock in (time.perf_counter, time.process_time)
        )
        if not group.leads:
            return
        look = looked_up()
        told = [f"{name} {value:,.1f}" for name, value in vars(found).items()]
        planned = step_seconds(found, group.count, BATCH, look.rows)
        told += [
            f"rows a step {look.rows:,.0f}, {look.per_example:.1f} an example",
            f"two ranks, {items:,} rows, {BATCH} examples each: planned {sum(planned) * 1e3:,.0f} ms "
            f"({', '.join(f'{part * 1e3:,.0f}' for part in planned)}); measured {min(by_clock) * 1e3:,.0f} ms, "
            f"{statistics.median(by_cpu) * 1e3:,.0f} ms of them CPU",
            plan(found, look),
        ]
        sys.stdout.write("\n".join(told) + "\n")


if __name__ == "__main__":
    main()
