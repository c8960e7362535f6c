"""`make bench-train`: a whole training step beside torch-rechub's MIND, and the loader beside plain pyarrow.

python -m tests.bench.train [--threads 1] [--rounds 8] [--profile]

Both models take the same histories in the same run on the same threads, in turn: B = 1024 rows, L = 50, D = 64, K = 4,
lengths uniform from 1 to L, items uniform over the vocabulary (the worst case for sharing rows). Ours: the trainer's
own step with 1,000 shared negatives, Adam with lazy rows. Theirs: the step of its MatchTrainer (list-wise, dense Adam,
without its default weight decay, which would cost it another pass) with 10 negatives a row, as its examples have it.
Ours is measured twice: with the model that theirs is (random start, negatives scored by the chosen interest), from
which `over_torch_rechub` comes, and with conf/default.toml, which does more. Medians over rounds.
`share_of_limit` is the time that the machine needs at least (`train_limit.py`) over the time of the step.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from mind.config import Config, load
from mind.tables import names as n
from mind.tables.manifest import Manifest, TupleFile
from mind.training.distributed import Ranks
from mind.training.loader import TENSORS, Batch, TupleLoader, read_file
from mind.training.prefetch import ahead
from mind.training.trainer import Night, Trainer, build_model
from tests.bench.loader_tuples import write_tuples
from tests.bench.record import record
from tests.bench.train_limit import measured_machine, product_flops

BATCH, LENGTH, DIMENSION, INTERESTS, NEGATIVES, THEIR_NEGATIVES = 1024, 50, 64, 4, 1000, 10
COUNTRIES = 100
SIZES = {"v10k": 10_000, "v100k": 100_000, "v1m": 1_000_000}
LOADER_ROWS = 400_000

Step = Callable[[int], None]


def batches(items: int, count: int = 8) -> list[Batch]:
    random = np.random.default_rng(7)
    made = []
    for _ in range(count):
        history_BL = random.integers(2, items, (BATCH, LENGTH), dtype=np.int32)
        history_BL[np.arange(LENGTH) >= random.integers(1, LENGTH + 1, (BATCH, 1))] = 0
        profile_BP = random.integers(2, COUNTRIES, (BATCH, 1), dtype=np.int32)
        target_BF = random.integers(2, items, (BATCH, 1), dtype=np.int32)
        made.append(Batch(history_BL=history_BL, profile_BP=profile_BP, target_BF=target_BF, global_rows=BATCH))
    return made


def night(items: int, files: list[TupleFile]) -> Night:
    manifest = Manifest(
        ds=date(2011, 12, 8).isoformat(),
        content="bench",
        history_length=LENGTH,
        item_features={n.ITEM_ID: items},
        profile_features={"country": COUNTRIES},
        vocabulary="bench",
        splits={"train": files, "validation": [], "test": []},
        catalogue=[],
        facts={},
    )
    codes_VF = torch.arange(items, dtype=torch.int32).unsqueeze(1)
    return Night(manifest=manifest, item_codes_VF=codes_VF, counts_V=torch.ones(items, dtype=torch.int64))


LIKE_THEIRS = (
    *("model.routing_start=normal", "model.recency=false", "model.context=false", "model.residual=false"),
    *("model.dropout=0.0", "model.negatives_scored_by=chosen"),
)
"""What torch-rechub's MIND computes too; the default setting does more."""


def configured(setting: tuple[str, ...]) -> Config:
    return load(
        overrides=[
            *setting,
            *(f"model.dimension={DIMENSION}", f"model.interests={INTERESTS}", f"training.batch_size={BATCH}"),
            *(f"training.negatives={NEGATIVES}", "training.processes=1"),
        ]
    )


def our_trainer(items: int, setting: tuple[str, ...]) -> Trainer:
    config, held = configured(setting), night(items, [])
    model = build_model(config.model, held, seed=1)
    return Trainer(held, model, config.training, config.evaluation, Ranks(0, 1))


def our_step(items: int, given: list[Batch], setting: tuple[str, ...]) -> Step:
    trainer = our_trainer(items, setting)

    def step(number: int) -> None:
        trainer.step(given[number % len(given)])

    return step


def their_step(items: int, given: list[Batch]) -> Step:
    from torch_rechub.basic.features import SequenceFeature, SparseFeature  # type: ignore[import-untyped]
    from torch_rechub.models.matching import MIND  # type: ignore[import-untyped]
    from torch_rechub.trainers import MatchTrainer  # type: ignore[import-untyped]

    model = MIND(
        [SparseFeature("country", COUNTRIES, DIMENSION)],
        [SequenceFeature("history", items, DIMENSION, pooling="concat", shared_with="item")],
        [SparseFeature("item", items, DIMENSION)],
        [SequenceFeature("negatives", items, DIMENSION, pooling="concat", shared_with="item")],
        max_length=LENGTH,
        temperature=0.1,
        interest_num=INTERESTS,
    )
    trainer = MatchTrainer(model, mode=2, optimizer_params={"lr": 1e-3})
    label_B = torch.zeros(BATCH, dtype=torch.int64)

    def step(number: int) -> None:
        batch = given[number % len(given)]
        rows = {
            "country": torch.from_numpy(batch.profile_BP[:, 0]),
            "history": torch.from_numpy(batch.history_BL),
            "item": torch.from_numpy(batch.target_BF[:, 0]),
            "negatives": torch.randint(2, items, (BATCH, THEIR_NEGATIVES)),
        }
        # What MatchTrainer.train_one_epoch does with a batch, without its progress bar.
        loss = trainer.criterion(trainer.model(rows), label_B) + trainer.reg_loss_fn(trainer.model)
        trainer.model.zero_grad()
        loss.backward()
        trainer.optimizer.step()
        loss.item()

    return step


def in_turn(steps: list[Step], rounds: int, repeats: list[int]) -> list[float]:
    """Median seconds of each step, measured in turn, so that whatever else the machine does meets all of them."""
    times: list[list[float]] = [[] for _ in steps]
    for number in range(-2, rounds):
        for step, repeat, told in zip(steps, repeats, times, strict=True):
            for again in range(repeat):
                started = time.perf_counter()
                step(number * repeat + again)
                if number >= 0:
                    told.append(time.perf_counter() - started)
    return [statistics.median(told) for told in times]


def profile(step: Step) -> None:
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record_profile

    with record_profile(activities=[ProfilerActivity.CPU]) as found:
        for number in range(10):
            step(number)
    sys.stdout.write(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=30, max_name_column_width=40))


def wait_share(loader: TupleLoader) -> float:
    """Share of an epoch's time that the trainer waits for rows, with the fastest of our steps, as the trainer reads."""
    trainer, waited = our_trainer(10_000, LIKE_THEIRS), 0.0
    started = time.perf_counter()
    with ahead(partial(loader.epoch, 1), configured(()).training.batches_ahead) as batches:
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            waited += time.perf_counter() - asked
            if batch is None:
                return waited / (time.perf_counter() - started)
            trainer.step(batch)


def bench_loader(rounds: int) -> dict[str, float]:
    """Rows a second of the loader, of its reading alone, and of plain pyarrow turned into the same matrices; and how
    long a training waits for the loader."""
    with tempfile.TemporaryDirectory() as name:
        files = write_tuples(Path(name), LOADER_ROWS, LENGTH, COUNTRIES)
        loader = TupleLoader(
            night(10_000, files).manifest, rank=0, ranks=1, batch_size=BATCH, shuffle_rows=200_000, seed=1
        )

        def whole(number: int) -> None:
            for _ in loader.epoch(number + 3):
                pass

        def plain(_: int) -> None:
            for file in files:
                table = pq.read_table(file.url.removeprefix("file://"), columns=list(TENSORS))
                for column in TENSORS:
                    table[column].combine_chunks().flatten().to_numpy().reshape(len(table), -1)

        def reading(_: int) -> None:
            for file in files:
                for _group in read_file(file, TENSORS):
                    pass

        whole_s, reading_s, plain_s = in_turn([whole, reading, plain], rounds, [1, 1, 1])
        waiting = wait_share(loader)
    return {
        "loader.rows_per_s": LOADER_ROWS / whole_s,
        "loader.petastorm_rows_per_s": LOADER_ROWS / reading_s,
        "loader.pyarrow_rows_per_s": LOADER_ROWS / plain_s,
        "loader.over_pyarrow": plain_s / reading_s,
        "train.data_wait_share": waiting,
    }


def main() -> None:
    flags = argparse.ArgumentParser(allow_abbrev=False)
    flags.add_argument("--threads", type=int, default=1)
    flags.add_argument("--rounds", type=int, default=8)
    flags.add_argument("--profile", action="store_true", help="print where our step's time goes, and nothing else")
    given = flags.parse_args()
    torch.set_num_threads(given.threads)
    found: dict[str, float] = {"train.threads": given.threads}
    machine = measured_machine()
    found |= {"train.product_gflops": machine.product_gflops, "train.copied_gb_per_s": machine.copied_gb_per_s}
    for name, items in SIZES.items():
        rows = batches(items)
        if given.profile:
            profile(our_step(items, rows, LIKE_THEIRS))
            continue
        steps = [our_step(items, rows, LIKE_THEIRS), our_step(items, rows, ()), their_step(items, rows)]
        ours_s, default_s, theirs_s = in_turn(steps, given.rounds, [4, 2, 1])
        negatives = np.random.default_rng(1).integers(2, items, NEGATIVES)
        distinct = len(np.unique(np.concatenate([rows[0].history_BL.ravel(), rows[0].target_BF[:, 0], negatives]))) - 1
        least_s = [machine.seconds(product_flops(step), distinct, DIMENSION) for step in steps[:2]]
        found |= {
            f"train.{name}.examples_per_s": BATCH / ours_s,
            f"train.{name}.torch_rechub_examples_per_s": BATCH / theirs_s,
            f"train.{name}.over_torch_rechub": theirs_s / ours_s,
            f"train.{name}.default_setting_examples_per_s": BATCH / default_s,
            f"train.{name}.default_setting_over_torch_rechub": theirs_s / default_s,
            f"train.{name}.share_of_limit": least_s[0] / ours_s,
            f"train.{name}.default_setting_share_of_limit": least_s[1] / default_s,
        }
    if not given.profile:
        found |= bench_loader(3)
        record(found)
        sys.stdout.writelines(f"{name:42} {value:,.3f}\n" for name, value in found.items())


if __name__ == "__main__":
    main()
