"""Write what the benchmarks found between the markers of a page: python -m tests.bench.page docs/benchmarks.md."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from mind.generated import between
from tests.bench.quality.runner import ABLATION
from tests.bench.quality.table import WINNER, ahead

BENCH, QUALITY = Path("build/bench.json"), Path("build/quality.json")
CUTS = ("recall10", "recall20", "recall50", "recall100", "ndcg10")
MEANINGS = {
    "events_per_s": "events turned into tuples in a second, two cores",
    "over_duckdb": "seconds of DuckDB over ours, same files, equal tuples",
    "over_pandas": "seconds of the pandas loop over ours, same files, equal tuples",
    "over_2m_time": "seconds for ten times the events over those for 2 million",
    "peak_gb": "largest resident memory, GB",
    "threads": "threads of every training number",
    "data_wait_share": "share of an epoch's time in which the trainer waits for rows",
    "examples_per_s": "rows a second of our training step with the model that the peer is",
    "default_setting_examples_per_s": "rows a second of our training step with conf/default.toml, which does more",
    "torch_rechub_examples_per_s": "rows a second of torch-rechub's training step",
    "over_torch_rechub": "our rows a second over theirs, the same model",
    "default_setting_over_torch_rechub": "our rows a second with conf/default.toml over theirs",
    "share_of_limit": "least time that the step's products and rows take on this machine, over its time",
    "default_setting_share_of_limit": "the same with conf/default.toml",
    "product_gflops": "billions of operations a second of a large matrix product, the limit's first part",
    "copied_gb_per_s": "gigabytes read and written a second by a large copy, the limit's second part",
    "loader.rows_per_s": "rows a second of the training loader: read, shuffled, cut into batches",
    "petastorm_rows_per_s": "rows a second of its reading alone",
    "pyarrow_rows_per_s": "rows a second of plain pyarrow into the same matrices",
    "over_pyarrow": "share of plain pyarrow's speed that reading has",
    "exact.ms_per_user": "CPU milliseconds a user of the exhaustive search, lists made",
    "exact.over_flat_ip": "CPU seconds of faiss IndexFlatIP (search alone) over those of our exhaustive search",
    "exact.gflops": "billions of multiply-adds a second of the exhaustive search, counted twice",
    "approx.ms_per_user": "CPU milliseconds a user of the index that was chosen, lists made",
    "approx.recall": "share of the exact lists that it finds",
    "approx.over_flat_ip": "CPU seconds of faiss IndexFlatIP (search alone) over ours",
    "approx.over_ivf_equal_recall": "CPU seconds of faiss IVF, at our recall or the most it reaches, over ours",
    "ivf.recall": "recall that faiss IVF had in that comparison",
    "approx.over_hnswlib": "CPU seconds of hnswlib, at our recall or the most it reaches, over ours",
    "hnswlib.recall": "recall that hnswlib had in that comparison",
    "one_user_recall": "share of the exact lists that is found for one user alone",
    "one_user_p99_ms": "milliseconds by the clock for one user alone, interests and list, 99th percentile",
    "core_hours_per_million": "core hours for a million users, so many of them searched at once",
    "users_per_s_per_core": "users a second and core from interests to a committed Delta table, Spark",
    "search_share": "share of that time that is search",
}
"""By the end of a number's name; the longest that fits counts."""


def meaning(name: str) -> str:
    """What a number of build/bench.json is, empty where nobody said so."""
    ends = [end for end in MEANINGS if name == end or name.endswith(f".{end}")]
    return MEANINGS[max(ends, key=len)] if ends else ""


def bench_table(numbers: Mapping[str, float]) -> str:
    """One row a number."""
    if not numbers:
        return "No numbers yet: run `make bench`, then `make bench-page`."
    lines = ["| number | value | what it is |", "|---|---:|---|"]
    lines += [f"| {name} | {_told(value)} | {meaning(name)} |" for name, value in numbers.items()]
    return "\n".join(lines)


def quality_tables(numbers: Mapping[str, float]) -> str:
    """One table a log, its methods from the weakest to the strongest by Recall@50: mean over seeds, deviation beside it
    where there was more than one seed."""
    if not numbers:
        return "No numbers yet: run `make quality`, then `make bench-page`."
    lines: list[str] = []
    for log in sorted({name.split(".")[0] for name in numbers}):
        methods = {name.split(".")[1] for name in numbers if name.startswith(f"{log}.")} - set(ABLATION)
        heads = "| method | seeds | R@10 | R@20 | R@50 | R@100 | NDCG@10 | MIND-K is ahead at R@50 |"
        lines += [f"**{log}**", "", heads, "|---" + "|---:" * 7 + "|"]
        for method in sorted(methods, key=lambda method: (numbers[f"{log}.{method}.recall50"], method)):
            cells = [_share(numbers, f"{log}.{method}.{cut}") for cut in CUTS]
            seeds = f"{numbers[f'{log}.{method}.seeds']:.0f}"
            lines.append(f"| {' | '.join([method, seeds, *cells, ahead(numbers, log, method)])} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def ablation_table(numbers: Mapping[str, float]) -> str:
    """One row for each change of MIND-K, itself above them; R@10 and R@50 on each log, and what the change takes off or
    adds."""
    changed = {name.split(".")[0] for name in numbers if name.split(".")[1] in ABLATION}
    logs = sorted(log for log in changed if f"{log}.{WINNER}.seeds" in numbers)
    if not logs:
        return "No numbers yet: run `make quality ABLATION=1`, then `make bench-page`."
    heads = [f"{log} {cut}" for log in logs for cut in ("R@10", "R@50")]
    lines = [f"| MIND-K with | seeds | {' | '.join(heads)} |", "|---" + "|---:" * (1 + len(heads)) + "|"]
    names = [f"{log}.{{}}.{cut}" for log in logs for cut in ("recall10", "recall50")]
    unchanged = " | ".join(_share(numbers, name.format(WINNER)) for name in names)
    lines.append(f"| nothing changed | {_seeds(numbers, logs, WINNER)} | {unchanged} |")
    for method, change in ABLATION.items():
        if any(name.format(method) in numbers for name in names):
            cells = [_changed(numbers, name.format(method), name.format(WINNER)) for name in names]
            lines.append(f"| {_in_words(change)} | {_seeds(numbers, logs, method)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _seeds(numbers: Mapping[str, float], logs: list[str], method: str) -> str:
    names = [f"{log}.{method}.seeds" for log in logs]
    return ", ".join(sorted({f"{numbers[name]:.0f}" for name in names if name in numbers}))


def _changed(numbers: Mapping[str, float], name: str, beside: str) -> str:
    if name not in numbers:
        return ""
    return f"{_share(numbers, name)} ({numbers[name] - numbers[beside]:+.4f})"


def _in_words(change: Mapping[str, object]) -> str:
    if "paper" in change:
        return "all of `conf/paper.toml`"
    return ", ".join(f"`{key} = {json.dumps(value)}`" for key, value in change.items())


def _told(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:#.3g}".rstrip(".")


def _share(numbers: Mapping[str, float], name: str) -> str:
    told, spread = f"{numbers[name]:.4f}", numbers[f"{name}.sd"]
    return (told + (f" ± {spread:.4f}" if spread else "")).replace("0.", ".")


def _read(file: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


def main() -> None:
    page = Path(sys.argv[1])
    text = between(page.read_text(encoding="utf-8"), bench_table(_read(BENCH)), "bench")
    quality = _read(QUALITY)
    text = between(text, quality_tables(quality), "quality")
    page.write_text(between(text, ablation_table(quality), "ablation"), encoding="utf-8")


if __name__ == "__main__":
    main()
