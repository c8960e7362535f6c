"""What the runs say together: build/quality.json for machines, a table in Markdown for people."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mind.evaluation import Difference, hit_values, ndcg_values, paired_bootstrap
from tests.bench.record import record

CUTOFFS = (10, 20, 50, 100)
COMPARED = 50
"""The cutoff at which the winner is compared with each method, user by user."""
WINNER = "mind_k"

Runs = dict[str, dict[str, list[NDArray[np.int64]]]]


def write_results(paths: Mapping[tuple[str, str, int], Path], numbers: Path, page: Path) -> None:
    """From the ranks of (log, method, seed): names and numbers over those in `numbers`, and the page anew."""
    runs: Runs = {}
    for (log, method, _), path in paths.items():
        with np.load(path) as held:
            runs.setdefault(log, {}).setdefault(method, []).append(held["ranks"].astype(np.int64))
    record({name: value for log, methods in runs.items() for name, value in _numbers(log, methods).items()}, numbers)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(line for log, methods in runs.items() for line in table(log, methods)), encoding="utf-8")
    sys.stdout.write(page.read_text(encoding="utf-8"))


def _numbers(log: str, methods: Mapping[str, list[NDArray[np.int64]]]) -> dict[str, float]:
    numbers = {}
    for method, ranks in methods.items():
        for kind, values in (("recall", hit_values), ("ndcg", ndcg_values)):
            for cut in CUTOFFS:
                means = [float(values(found, cut).mean()) for found in ranks]
                numbers[f"{log}.{method}.{kind}{cut}"] = float(np.mean(means))
                numbers[f"{log}.{method}.{kind}{cut}.sd"] = float(np.std(means, ddof=1)) if len(means) > 1 else 0.0
        if found := _ahead(methods, method):
            name = f"{log}.{method}.{WINNER}_ahead_recall{COMPARED}"
            numbers |= {name: found.difference, f"{name}.low": found.low, f"{name}.high": found.high}
        numbers[f"{log}.{method}.seeds"] = float(len(ranks))
    return numbers


def table(log: str, methods: Mapping[str, list[NDArray[np.int64]]]) -> list[str]:
    """Markdown lines: mean and deviation over seeds, and what the winner has over each method with a 95 % interval over
    users (a user's hit is its mean over the seeds)."""
    heads = [f"R@{cut}" for cut in CUTOFFS] + ["NDCG@10", f"{WINNER} is ahead at R@{COMPARED}", "seeds"]
    lines = [f"### {log}", "", f"| method | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    numbers = _numbers(log, methods)
    for method, ranks in methods.items():
        cells = [_cell(numbers, f"{log}.{method}.recall{cut}", len(ranks)) for cut in CUTOFFS]
        cells += [_cell(numbers, f"{log}.{method}.ndcg10", len(ranks)), ahead(numbers, log, method), str(len(ranks))]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return [*lines, ""]


def _cell(numbers: Mapping[str, float], name: str, seeds: int) -> str:
    told = f"{numbers[name]:.4f}".lstrip("0")
    return told if seeds == 1 else told + f" ± {numbers[name + '.sd']:.4f}".replace("0.", ".")


def ahead(numbers: Mapping[str, float], log: str, method: str) -> str:
    """What the winner has over the method, with its interval; nothing where there is none."""
    name = f"{log}.{method}.{WINNER}_ahead_recall{COMPARED}"
    if name not in numbers:
        return ""
    return f"{numbers[name]:+.4f} ({numbers[f'{name}.low']:+.4f} to {numbers[f'{name}.high']:+.4f})"


def _ahead(methods: Mapping[str, list[NDArray[np.int64]]], method: str) -> Difference | None:
    if method == WINNER or WINNER not in methods:
        return None
    ours, theirs = (
        np.mean([hit_values(found, COMPARED) for found in methods[name]], axis=0) for name in (WINNER, method)
    )
    return paired_bootstrap(ours, theirs, seed=1)
