"""The pages of docs/ and the README say what the code says."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

from mind.cli import parser
from mind.config import Config, load
from mind.config_reference import MARK, as_markdown
from mind.generated import between
from mind.source import Source
from mind.steps import JOBS, STEPS

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [*DOCS, ROOT / "README.md"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SHELL = ("", "bash", "sh")
PATH = re.compile(r"(?<![\w/.])((?:conf|mind|jobs|tests|airflow_dags|docs)/[\w./]+\.(?:py|md|toml|conf))(?:::(\w+))?")
PROGRAM = re.compile(r"(\.venv/bin/)?(mind|make|python -m mind\.\w+) \S")
IMAGINED = re.compile(r"yours|cluster|shop|\bpods\b")
"""What a page invents as an example: the reader's own files, modules and sources."""

pages = pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)


@cache
def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def code_of(file: Path) -> list[str]:
    """What stands in backticks inside sentences and tables."""
    return re.findall(r"`([^`\n]+)`", BLOCK.sub("", text_of(file)))


def commands_of(file: Path) -> list[str]:
    """Lines of the page's shell blocks that start one of our programs, and the same in backticks; without comments."""
    blocks = [body for _, kind, body in BLOCK.findall(text_of(file)) if kind in SHELL]
    lines = [line.strip().split("  #")[0].removeprefix("$ ") for body in blocks for line in body.splitlines()]
    return [line for line in [*lines, *code_of(file)] if PROGRAM.match(line)]


def all_commands(program: str) -> list[str]:
    found = {line.removeprefix(".venv/bin/") for file in PAGES for line in commands_of(file)}
    return sorted(line.removeprefix(program).strip() for line in found if line.startswith(f"{program} "))


def test_the_configuration_reference_is_current() -> None:
    page = text_of(ROOT / "docs" / "configuration.md")
    assert page == between(page, as_markdown(load(default=ROOT / "conf/default.toml")), MARK), "run make tables"


@pytest.mark.parametrize("words", all_commands("mind"))
def test_every_mind_command_of_the_pages_is_accepted(words: str) -> None:
    given = shlex.split(words.split("|")[0].replace("DAY", "2011-12-08").replace("USER", "17850"))
    needed = {"forget": ["17850"], "explain": ["17850"], "data_check": ["shop"]}.get(given[0], [])
    needed = needed or ["--ds", "2011-12-08"] if given[0] in ("rollback", "maintain", "ready") else needed
    accepted(parser(), given if [word for word in given[1:] if word != "--help"] else [*given, *needed], words)


def accepted(flags: argparse.ArgumentParser, given: list[str], words: str) -> None:
    try:
        flags.parse_args(given)
    except SystemExit as left:
        if left.code:
            pytest.fail(f"not accepted: {words}")


@pytest.mark.parametrize("words", [words for words in all_commands("make") if "=" in words])
def test_every_variable_that_a_page_gives_to_make_is_one_of_the_makefile(words: str) -> None:
    for word in shlex.split(words, comments=True)[1:]:
        name, equals, _ = word.partition("=")
        assert not equals or f"$({name})" in MAKEFILE, word


@pages
def test_every_make_target_that_a_page_names_exists(file: Path) -> None:
    targets = [line.split()[1] for line in commands_of(file) if line.startswith("make ")]
    for target in targets:
        assert target == "bench-*" or re.search(rf"^{re.escape(target)}:", MAKEFILE, re.MULTILINE), target


@pages
def test_every_file_and_test_that_a_page_names_exists(file: Path) -> None:
    for path, test in PATH.findall(text_of(file)):
        assert (ROOT / path).exists() or IMAGINED.search(path), path
        if test:
            assert f"def {test}(" in text_of(ROOT / path), f"{path} has no {test}"


@pages
def test_every_link_of_a_page_leads_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", text_of(file))):
        if re.match(r"https?://", target):
            continue
        path, _, place = target.partition("#")
        page = (file.parent / path).resolve() if path else file
        assert page.exists(), target
        if place:
            heads = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
            assert place in [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads], target


SECTIONS = Config.model_fields
"""The sections of the configuration, by name."""


@pages
def test_every_configuration_key_that_a_page_names_exists(file: Path) -> None:
    told = [*code_of(file), *[word for line in commands_of(file) for word in shlex.split(line, comments=True)]]
    for text in told:
        for section, key in re.findall(r"(?<![\w./])([a-z]+)\.([a-z_]+)(?![\w./(])", text):
            if section == "spark" and "_" not in key:
                continue  # a property of Spark itself
            known = getattr(SECTIONS.get(section), "annotation", None)
            assert known is None or key in known.model_fields, f"{section}.{key}"
        for section in re.findall(r"^\[([a-z]+)\]$", text):
            assert section in SECTIONS or section in Source.model_fields, text


@pages
def test_every_toml_of_a_page_is_one_that_is_accepted(file: Path) -> None:
    for _, kind, body in BLOCK.findall(text_of(file)):
        if kind != "toml":
            continue
        found = tomllib.loads(body)
        model = Source if "columns" in found or "positive_events" in found else Config
        for section, values in found.items():
            assert section in model.model_fields, f"[{section}]"
            if model is Config:
                assert set(values) <= set(SECTIONS[section].annotation.model_fields), f"[{section}] {values}"  # type: ignore[union-attr]


@pages
def test_every_step_that_a_page_starts_exists(file: Path) -> None:
    for step in re.findall(r"jobs/(\w+)\.py", text_of(file)):
        assert step == "chain" or step in JOBS, step
    for verb, steps in re.findall(r"mind\.launch (run|show)((?: [a-z_]+)*)", text_of(file)):
        assert set(steps.split()) <= set(STEPS), f"{verb} {steps}"


@pages
def test_the_shell_of_a_page_parses(file: Path) -> None:
    for _, kind, body in BLOCK.findall(text_of(file)):
        if kind in ("bash", "sh"):
            done = subprocess.run(["bash", "-n"], input=body, text=True, capture_output=True, check=False)
            assert done.returncode == 0, f"{body}\n{done.stderr}"


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
    source = "\n".join(text_of(file) for file in sorted((ROOT / "mind").rglob("*.py")))
    joined = re.sub(r'"\s*\n\s*f?"', "", source)
    assert phrase in text_of(ROOT / "docs" / "operations.md")
    assert phrase in joined, "the message changed; change the page"
