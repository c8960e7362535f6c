"""The page of results says what the files say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mind.generated import between
from tests.bench.page import ablation_table, bench_table, meaning, quality_tables

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_number_is_told_with_what_it_is_and_nothing_else_of_the_page_changes() -> None:
    page = "before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n"
    numbers = {"train.v10k.examples_per_s": 29600.4, "train.v10k.over_torch_rechub": 5.2337, "train.threads": 1}
    assert between(page, bench_table(numbers), "bench") == (
        "before\n<!-- bench -->\n"
        "| number | value | what it is |\n"
        "|---|---:|---|\n"
        "| train.v10k.examples_per_s | 29,600 | rows a second of our training step with the model that the peer is |\n"
        "| train.v10k.over_torch_rechub | 5.23 | our rows a second over theirs, the same model |\n"
        "| train.threads | 1 | threads of every training number |\n"
        "<!-- /bench -->\nafter\n"
    )


def test_the_longest_end_of_a_name_tells_what_it_is() -> None:
    assert meaning("train.v1m.default_setting_over_torch_rechub") != meaning("train.v1m.over_torch_rechub")
    assert "faiss IVF" in meaning("retrieve.1m.ivf.recall")
    assert meaning("somebody.else") == ""


def test_methods_of_a_log_stand_from_the_weakest_to_the_strongest_with_deviations_where_there_are_any() -> None:
    numbers = {}
    for method, recall, spread in (("mind_k", 0.31, 0.002), ("popularity", 0.05, 0.0)):
        for cut in ("recall10", "recall20", "recall50", "recall100", "ndcg10"):
            numbers |= {f"ml1m.{method}.{cut}": recall, f"ml1m.{method}.{cut}.sd": spread}
        numbers[f"ml1m.{method}.seeds"] = 3 if spread else 1
    name = "ml1m.popularity.mind_k_ahead_recall50"
    numbers |= {name: 0.26, f"{name}.low": 0.25, f"{name}.high": 0.27}
    lines = quality_tables(numbers).splitlines()
    assert lines[0] == "**ml1m**"
    hundredth = " | ".join([".0500"] * 5)
    assert lines[4] == f"| popularity | 1 | {hundredth} | +0.2600 (+0.2500 to +0.2700) |"
    assert lines[5].startswith("| mind_k | 3 | .3100 ± .0020 |")
    assert lines[5].endswith("|  |")


def test_changes_of_the_winner_have_a_table_of_their_own() -> None:
    numbers = {}
    for method, recall in (("mind_k", 0.31), ("mind_k_no_recency", 0.25), ("mind_k_paper", 0.4)):
        for cut in ("recall10", "recall20", "recall50", "recall100", "ndcg10"):
            numbers |= {f"beauty.{method}.{cut}": recall, f"beauty.{method}.{cut}.sd": 0.0}
        numbers[f"beauty.{method}.seeds"] = 1
    assert ablation_table(numbers).splitlines() == [
        "| MIND-K with | seeds | beauty R@10 | beauty R@50 |",
        "|---|---:|---:|---:|",
        "| nothing changed | 1 | .3100 | .3100 |",
        "| `recency = false` | 1 | .2500 (-0.0600) | .2500 (-0.0600) |",
        "| all of `conf/paper.toml` | 1 | .4000 (+0.0900) | .4000 (+0.0900) |",
    ]
    alone = {name: value for name, value in numbers.items() if ".mind_k." not in name}
    assert "ABLATION=1" in ablation_table(alone), "nothing to hold the changes against"
    assert [line for line in quality_tables(numbers).splitlines() if "mind_k_" in line] == []


def test_where_nothing_ran_the_page_says_what_to_run() -> None:
    assert "make bench" in bench_table({})
    assert "make quality" in quality_tables({})
    assert "ABLATION=1" in ablation_table({})


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="<!-- quality -->"):
        between("nothing", "", "quality")


def test_the_page_has_markers_and_its_tables_have_the_form_of_the_command() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for mark, table in (("bench", bench_table), ("quality", quality_tables)):
        found = page.split(f"<!-- {mark} -->\n")[1].split(f"\n<!-- /{mark} -->")[0]
        assert between(page, found, mark) == page
        assert found == table({}) or re.search(r"^\| (number|method) \|", found, re.MULTILINE), mark
