"""What makes two runs comparable: code, environment, data, protocol and configuration, none of it secret."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from mind.redaction import redacted
from mind.tables.manifest import Manifest

PACKAGE = "mind-batch"
ROOT = Path(__file__).resolve().parent.parent.parent
LOCK = ROOT / "requirements.lock"
UNKNOWN = "unknown"
COMPARABLE = ("lake", "ingest", "vocabulary", "tuples", "model", "training", "evaluation", "promotion", "tracking")
"""Sections that change what is learned or how it is judged; the others only say how a night is run."""


@cache
def code_and_environment() -> dict[str, str]:
    """Tags: version and commit of the code, interpreter, torch, platform, and the hash of the locked packages."""
    lock = hashlib.sha256(LOCK.read_bytes()).hexdigest() if LOCK.exists() else UNKNOWN
    return {
        "code_version": _version(PACKAGE),
        "git_commit": _commit(),
        "python": platform.python_version(),
        "torch": _version("torch"),
        "platform": platform.platform(),
        "requirements_sha256": lock,
    }


def data_and_protocol(manifest: Manifest, cutoffs: tuple[int, ...], filter_seen: bool) -> dict[str, str]:
    """Tags: the snapshot of the data, its fingerprints, how it was split and what is measured on it."""
    days = manifest.facts.get("days", {})
    windows = ", ".join(f"{split} {first} to {last}" for split, (first, last) in days.items())
    return {
        "ds": manifest.ds,
        "tuples": manifest.content,
        "vocabulary": manifest.vocabulary,
        "source": str(manifest.facts.get("source", UNKNOWN)),
        "rows": ", ".join(f"{split} {manifest.rows(split)}" for split in manifest.splits),
        "split": str(manifest.facts.get("split", UNKNOWN)),
        "days": windows or UNKNOWN,
        "cutoffs": ", ".join(str(cutoff) for cutoff in cutoffs),
        "ranked": "items not in the history" if filter_seen else "every item",
    }


def resolved(sections: Mapping[str, BaseModel]) -> dict[str, Any]:
    """The sections as they were resolved, as JSON values without secrets."""
    return {name: _clean(sections[name].model_dump(mode="json")) for name in COMPARABLE if name in sections}


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clean(held) for key, held in value.items()}
    if isinstance(value, list):
        return [_clean(held) for held in value]
    return redacted(value) if isinstance(value, str) else value


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return UNKNOWN


def _commit() -> str:
    """The commit of the checkout that runs; "with changes" where its tracked files differ from it."""
    if not (ROOT / ".git").exists():
        return UNKNOWN
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit} with changes" if _git("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", "--no-optional-locks", *words], cwd=ROOT, capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.strip()
