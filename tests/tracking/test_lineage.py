"""What a run says of itself: enough to compare it, and nothing secret."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from mind.config import load
from mind.tracking import lineage
from tests.training.small_night import manifest_of

ROOT = Path(__file__).resolve().parent.parent.parent
CANARY = "c4nary-in-the-mine"


def test_no_secret_of_the_configuration_is_kept_and_all_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_PASSWORD", f"{CANARY}-variable")
    overrides = [
        f"tracking.uri=postgresql://mind:{CANARY}@db.invalid/mlflow",
        f"ingest.path=s3a://key:{CANARY}@bucket/log",
        f"tracking.artifacts=https://store.invalid/x?token={CANARY}",
        f"lake.root=/lake/{CANARY}-variable/x",
        f"schedule.alert=mail --password {CANARY}",
    ]
    config = load(overrides=overrides, default=ROOT / "conf/default.toml")
    told = json.dumps(lineage.resolved(dict(config)))
    assert CANARY not in told
    kept = json.loads(told)
    assert set(kept) == set(lineage.COMPARABLE)
    assert kept["ingest"]["path"] == "s3a://***@bucket/log"
    assert kept["training"] == json.loads(config.training.model_dump_json())
    assert kept["promotion"]["size_ratio"] == config.promotion.size_ratio


def test_the_tags_name_data_protocol_code_and_environment() -> None:
    facts = {"source": "shop", "split": "time", "days": {"train": ["2011-01-01", "2011-11-01"]}}
    manifest = manifest_of([], splits={"train": [], "validation": [], "test": []}, facts=facts)
    assert lineage.data_and_protocol(manifest, (10, 50), filter_seen=False) == {
        "ds": "2011-12-08",
        "tuples": "1-0/1-0",
        "vocabulary": "7-ab",
        "source": "shop",
        "rows": "train 0, validation 0, test 0",
        "split": "time",
        "days": "train 2011-01-01 to 2011-11-01",
        "cutoffs": "10, 50",
        "ranked": "every item",
    }
    code = lineage.code_and_environment()
    assert len(code["requirements_sha256"]) == 64
    assert code["torch"].startswith("2.")
    assert code["code_version"] != lineage.UNKNOWN


def test_the_commit_is_that_of_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "ROOT", tmp_path)
    assert lineage._commit() == lineage.UNKNOWN

    def git(*words: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@t.invalid"]
        return subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-q", "-m", "one")
    commit = git("rev-parse", "HEAD").strip()
    assert lineage._commit() == commit
    (tmp_path / "file").write_text("two")
    assert lineage._commit() == f"{commit} with changes"
