"""The pages of docs/ say what the code says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from mind.cli import parser
from mind.config import load
from mind.config_reference import as_markdown, between

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_configuration_reference_is_current() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == between(page, as_markdown(load(default=ROOT / "conf/default.toml"))), "run make tables"


def commands() -> list[str]:
    """What the operations page tells people to type."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    return sorted(set(re.findall(r"`mind ((?:\w+)[^`]*)`", text)))


@pytest.mark.parametrize("words", commands())
def test_every_mind_command_of_the_pages_is_accepted(words: str) -> None:
    given = shlex.split(words.replace("DAY", "2011-12-08").replace("USER", "17850"))
    needed = {"forget": ["17850"], "explain": ["17850"]}.get(given[0], [])
    needed = needed or ["--ds", "2011-12-08"] if given[0] in ("rollback", "maintain", "ready") else needed
    parser().parse_args(given if len(given) > 1 else [*given, *needed])


@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_every_make_target_and_file_that_a_page_names_exists(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
    for path in re.findall(r"`((?:conf|mind|jobs|tests|airflow_dags|docs)/[\w./]+\.(?:py|md|toml|conf))`", text):
        if "yours" not in path and "cluster" not in path and "shop" not in path:
            assert (ROOT / path).exists(), path


PHRASES = (
    "the log is complete up to",
    "readers see the night of",
    "cannot be read as",
    "the log cannot be read to its end",
    "above ingest.bad_row_limit",
    "its description does not fit the log",
    "breaks its contract",
    "another writer was first",
    "other writers were first",
    "was trained with vocabulary",
    "an index moved",
    "was made by model version",
    "gates failed",
    "may not become the first champion",
)


@pytest.mark.parametrize("phrase", PHRASES)
def test_the_runbook_quotes_what_the_code_says(phrase: str) -> None:
    """Somebody searches the page for the message that the night left."""
    source = "\n".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "mind").rglob("*.py")))
    joined = re.sub(r'"\s*\n\s*f?"', "", source)
    assert phrase in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert phrase in joined, "the message changed; change the page"
