"""Canaries in configuration, environment and addresses are searched for in everything that a program leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mind.config import load
from mind.redaction import redacted
from mind.report.page import render
from mind.tracking.lineage import resolved
from mind.tracking.registry import Registry
from tests.report.night_facts import facts

ROOT = Path(__file__).resolve().parent.parent
CANARY = "c4nary-in-the-mine"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://mind:{CANARY}@db.invalid:5432/mlflow refused",
        f"table x does not exist at s3a://AKIA:{CANARY}/with/slash@bucket/lake",
        f"http://{CANARY}@tracking.invalid/api",
        f"fs.s3a.secret.key={CANARY}",
        f"--conf spark.ssl.keyPassword={CANARY}",
        f"{{'password': '{CANARY}'}}",
        f'{{"aws_access_key": "{CANARY}"}}',
        f"https://store.invalid/file?X-Amz-Signature={CANARY}&x=1",
        f"the log said {CANARY} once",
    ],
)
def test_a_secret_never_passes(text: str) -> None:
    told = redacted(text, {"STORE_SECRET_KEY": CANARY, "PATH": "/bin"})
    assert CANARY not in told
    assert "***" in told


@pytest.mark.parametrize(
    "text",
    [
        "behaviours: 1,234 rows",
        "sqlite:///build/mlflow/mlflow.db",
        "2011-12-08/1/4361-a018c85e778adc2c",
        "mail of user a@b is no secret, nor is http://localhost:5000/#/experiments/1",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert redacted(text, {"PATH": "/bin", "A_TOKEN": "1"}) == text


def left_behind(folder: Path, words: list[str], config: str) -> str:
    """Everything that a program printed or wrote."""
    (folder / "c.toml").write_text(config)
    variables = os.environ | {"MIND_DB_PASSWORD": CANARY, "MLFLOW_TRACKING_TOKEN": CANARY}
    flags = ["--config", str(folder / "c.toml")]
    done = subprocess.run([*words, *flags], capture_output=True, text=True, check=False, cwd=ROOT, env=variables)
    written = [
        file.read_text(errors="replace") for file in folder.rglob("*") if file.is_file() and file.name != "c.toml"
    ]
    assert done.stdout + done.stderr + "".join(written), "nothing was said at all"
    return "\n".join([done.stdout, done.stderr, *written])


def test_no_program_prints_or_writes_a_canary(tmp_path: Path) -> None:
    lake = f'[lake]\nroot = "{tmp_path}/lake"\n[logs]\nfolder = "{tmp_path}/logs"\n'
    store = f'[tracking]\nuri = "postgresql://mind:{CANARY}@db.invalid/mlflow"\n'
    unknown = f'[tracking]\nuri = "postgres://mind:{CANARY}@db.invalid/mlflow"\ntoken = "{CANARY}"\n'
    python, ds = sys.executable, ["--ds", "2011-12-08"]
    address = ["--set", f"ingest.path=s3a://key:{CANARY}@bucket/log"]
    heard = {
        # The store cannot be opened: MLflow's own error, which nobody of ours has written.
        "crash": left_behind(tmp_path, [python, "jobs/compare.py", *ds], lake + store),
        "refusal": left_behind(tmp_path, [python, "jobs/evaluate.py", *ds], lake + unknown),
        "show": left_behind(tmp_path, [python, "-m", "mind.launch", "show", "ingest", *ds, *address], lake + store),
        "answer": left_behind(tmp_path, [python, "-m", "mind.cli", "nights", *address], lake + store),
    }
    for name, text in heard.items():
        assert CANARY not in text, f"{name}: {text}"
    assert "Traceback" in heard["crash"], "the error was foreseen; plant the canary where it is not"
    assert list((tmp_path / "logs").glob("*.jsonl"))
    assert "tracking.token" in heard["refusal"]
    assert "s3a://***@bucket/log" in heard["show"]


def test_no_page_and_no_run_of_a_store_with_a_password_holds_it() -> None:
    address = f"postgresql://mind:{CANARY}@db.invalid/mlflow"
    config = load(overrides=[f"tracking.uri={address}", f"tracking.artifacts=s3://key:{CANARY}@bucket/runs"])
    page = render(facts(places={"MLflow store": address}), people=True)
    for told in (page, json.dumps(resolved(dict(config))), Registry(config.tracking).place):
        assert CANARY not in told
        assert "db.invalid/mlflow" in told
