"""`make quality`: every method on Online Retail, MovieLens 1M and Amazon Beauty, by one protocol and one evaluator.

python -m tests.bench.quality [--quick] [--logs ml1m] [--methods mind_k ...] [--seeds 3] [--jobs 2] [--device cuda]

Each (log, method, seed) leaves its test ranks in build/quality/runs, so that a run that was stopped goes on, and the
table compares methods user by user. build/quality.json holds `<log>.<method>.recall20` and so on, the mean over seeds,
with the deviation beside it as `.sd`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
import time
import tomllib
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from mind.model.architecture import LATER
from mind.training.distributed import die_with_the_parent
from tests.bench.quality.data import LOGS, read
from tests.bench.quality.table import write_results

FOLDER = Path("build/quality")
COUNTED = ("popularity", "item_cf", "wals")
NEURAL: dict[str, dict[str, Any]] = {
    "youtube_dnn": {"method": "youtube_dnn", "interests": 1},
    "max_mf": {},
    "mind_1": {"interests": 1},
    "mind_k": {},
}
# What was taken from the winner or changed in it, one at a time; `--ablation` runs these too.
ABLATION: dict[str, dict[str, Any]] = {
    "mind_k_no_recency": {"recency": False},
    "mind_k_no_context": {"context": False},
    "mind_k_no_residual": {"residual": False},
    "mind_k_no_dropout": {"dropout": 0.0},
    "mind_k_random_start": {"routing_start": "normal"},
    "mind_k_chosen_negatives": {"negatives_scored_by": "chosen"},
    "mind_k_start_5": {"start_scale": 5.0},
    "mind_k_one_routing": {"routing_iterations": 1},
    "mind_2": {"interests": 2},
    "mind_8": {"interests": 8},
    "mind_k_all_interests": {"adaptive_interests": False},
    "mind_k_temperature_07": {"temperature": 0.07},
    "mind_k_temperature_13": {"temperature": 0.13},
    "mind_k_paper": {"paper": True},
    # MIND-K's setting with something added, and its rival with the same.
    "mind_k_next_3": {"next_targets": 3},
    "youtube_dnn_next_3": {"method": "youtube_dnn", "interests": 1, "next_targets": 3},
}
# Found on validation with MIND-K; the same for every method that learns by gradients.
OF_LOG: dict[str, dict[str, Any]] = {
    "online_retail": {"negatives": 300},
    "ml1m": {"negatives": 300},
    "beauty": {"dropout": 0.4, "negatives": 2048},
}
EPOCHS = {"online_retail": 15, "ml1m": 4, "beauty": 15}


def settings(log: str, method: str, quick: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The model's and the training's settings: conf/default.toml, what the log changes, what the method changes."""
    default = tomllib.loads(Path("conf/default.toml").read_text(encoding="utf-8"))
    model, training = dict(default["model"]), dict(default["training"])
    model |= {"history_length": default["tuples"]["history_length"]}
    change = dict((NEURAL | ABLATION).get(method, {}))
    if change.pop("paper", False):
        change |= tomllib.loads(Path("conf/paper.toml").read_text(encoding="utf-8"))["model"]
    # Only where it is more than one: what a run depends on then is what it was before there was such a setting.
    several = {"next_targets": change.pop("next_targets")} if "next_targets" in change else {}
    for name, value in (OF_LOG.get(log, {}) | change).items():
        (training if name in training else model)[name] = value
    kept = ("batch_size", "learning_rate", "negatives")
    return model, {name: training[name] for name in kept} | {"epochs": 1 if quick else EPOCHS[log]} | several


def run(log: str, method: str, seed: int, quick: bool, device: str) -> Path:
    """Train (or count), test, and keep the ranks; what was done before with the same settings is not done again."""
    model, training = settings(log, method, quick)
    place = FOLDER / "runs" / f"{log}.{method}.{seed}.{_key(method, model, training)}.npz"
    if place.exists():
        return place
    data, started, facts = read(log, FOLDER / "logs"), time.monotonic(), {}
    if method in COUNTED:
        from tests.bench.quality.counted import ranks

        found, facts = ranks(data, method, seed, model["history_length"])
    else:
        import torch

        from tests.bench.quality.neural import FromBehaviours, FromUsers, ranks_of, train

        torch.set_num_threads(1)
        kind = FromUsers if method == "max_mf" else FromBehaviours
        learner = kind(data, model, seed)
        epoch, curve = train(learner, data, training, model["history_length"], seed, device)
        found = ranks_of(learner, data, "test", model["history_length"], device)
        facts = {"epoch": epoch, "curve": curve}
    facts = facts | {"seconds": time.monotonic() - started, "device": device}  # not into the settings that it may be
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_suffix(".part.npz")
    np.savez_compressed(part, ranks=found.astype(np.int32), facts=json.dumps(facts))
    part.replace(place)
    return place


def _key(method: str, model: dict[str, Any], training: dict[str, Any]) -> str:
    """What the run depends on, as a file name. An option that came later and is off leaves a run what it was."""
    given: list[Any] = [model["history_length"]]
    if method not in COUNTED:
        given = [{name: value for name, value in model.items() if value != LATER.get(name, ...)}, training]
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:12]


def main() -> None:
    options = _parser().parse_args()
    wanted = options.methods or [*COUNTED, *NEURAL, *(ABLATION if options.ablation else ())]
    seeds = 1 if options.quick else options.seeds
    work = []
    for seed in range(1, seeds + 1):
        for log in options.logs:
            try:
                read(log, FOLDER / "logs")
            except FileNotFoundError as missing:
                if seed == 1:
                    sys.stderr.write(f"{log} is left out: {missing}\n")
                continue
            once = () if seed == 1 else ("popularity", "item_cf")
            work += [(log, method, seed) for method in wanted if method not in once]
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=spawned, initializer=die_with_the_parent) as pool:
        begun = {pool.submit(run, *job, options.quick, options.device): job for job in work}
        for number, ended in enumerate(as_completed(begun), start=1):
            with np.load(ended.result()) as held:
                found, facts = held["ranks"], json.loads(str(held["facts"]))
            log, method, seed = begun[ended]
            hits = "  ".join(f"@{cut} {(found <= cut).mean():.4f}" for cut in (10, 20, 50, 100))
            told = {name: value for name, value in facts.items() if name not in ("seconds", "curve")}
            line = f"[{number}/{len(work)}] {log} {method} seed {seed}: Recall {hits}  {facts['seconds']:.0f} s {told}"
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
    paths = {job: run(*job, options.quick, options.device) for job in work}
    write_results(paths, Path("build/quality.json"), FOLDER / "table.md")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed, one epoch: whether all of it runs")
    parser.add_argument("--logs", nargs="+", choices=list(LOGS), default=list(LOGS))
    parser.add_argument("--methods", nargs="+", choices=[*COUNTED, *NEURAL, *ABLATION])
    parser.add_argument("--ablation", action="store_true", help="also MIND-K with one thing changed at a time")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2), help="runs at a time")
    parser.add_argument("--device", default="cpu", help="cpu or cuda, of the methods that learn by gradients")
    return parser
