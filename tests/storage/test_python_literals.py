"""Python literals become the values that Python itself reads in them, and nothing in them is ever run."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from mind.source import FeatureFile
from mind.storage.raw_files import CORRUPT, open_files

FIELDS = "asin string, title string, price double, salesRank map<string,int>, lists array<array<string>>, flag boolean"
HARD: list[dict[str, Any]] = [
    {"asin": "plain", "title": "Tea", "price": 9.5, "lists": [["a", "b"], []], "flag": True},
    {"asin": "apostrophe", "title": "It's o'clock", "lists": [["Children's Books", 'say "hi"']]},
    {"asin": "both quotes", "title": 'It\'s "both"', "flag": False},
    {"asin": "names in text", "title": "None of True's False, [None] {'a': None} (1,) u'x'", "price": None},
    {"asin": "None", "title": "True", "lists": [["False", "None"]], "flag": None},
    {"asin": "unicode", "title": "é 日本 🫖 \u2019 \x92 \xa0 \x07", "lists": [["ü"]]},
    {"asin": "escapes", "title": "tab\t line\n back\\ slash\\x41 \\\\ end\\", "price": -1e-05},
    {"asin": "nested", "salesRank": {"Books": 1, "Children's": 2}, "lists": [[], ["x", "y, z"], ["]"]]},
    {"asin": "tuple", "lists": (("a", "it's"), ("b",)), "price": 3},
    {"asin": "empty", "title": "", "lists": [], "salesRank": {}},
    {"asin": "other keys", "related": {"also_bought": ["1", None], "deep": {"er": [{"x": (1,)}]}}, "title": "kept"},
]
WRITTEN_BY_HAND = [
    r"""{'asin': 'hex', 'title': 'caf\xe9 \\x41 \\\x41'}""",
    r"""{'asin': 'long', 'title': '\U000000e9', 'price': 12L, u'flag': True}""",
    r"""{ "asin" : "spaces" ,'title':'x' , 'lists' : [ [ 'a' ] ] }""",
]
BROKEN = ["{'asin': 'open", "{'asin': __import__('os').getcwd()}", "not a row", "{'asin': 'a' 'title'}", "[1, 2]", "'"]


def test_lines_are_what_python_reads(spark: SparkSession, tmp_path: Path) -> None:
    lines = [*map(repr, HARD), *WRITTEN_BY_HAND]
    file = tmp_path / "meta.json"
    file.write_text("".join(f"{line}\n" for line in [*lines, *BROKEN]), encoding="utf-8")
    part = FeatureFile(path="x", format="python_literals", fields=FIELDS, key="asin", columns={"title": "title"})
    found = [row.asDict(recursive=True) for row in open_files(spark, part, str(file), "the file").collect()]
    by_asin = {row["asin"]: row for row in found if row[CORRUPT] is None}
    for line in lines:
        expected = ast.literal_eval(line.replace("12L", "12"))
        row = by_asin[expected["asin"]]
        for name in ("title", "price", "salesRank", "lists", "flag"):
            assert json.dumps(row[name]) == json.dumps(_plain(expected.get(name), name)), (line, name)
    assert len(found) == len(lines) + len(BROKEN)
    assert sum(row[CORRUPT] is not None for row in found) == len(BROKEN)


def _plain(value: Any, name: str) -> Any:
    return float(value) if name == "price" and value is not None else value
