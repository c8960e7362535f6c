"""One training by the real job, which the tests of jobs and of ranks share: to start its processes takes long."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from mind.config import load
from mind.launch import command, environment
from mind.tracking.registry import TRAINING_KEY
from mind.training.night import training_key
from tests.training.small_night import DS, Trained, write_night

ROOT = Path(__file__).resolve().parent.parent.parent


def train(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    words = command(["train"], DS, [folder / "night.toml"], overrides)
    return subprocess.run(words, env=environment(), cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("night")
    manifest = write_night(folder)
    config = load([folder / "night.toml"], default=ROOT / "conf/default.toml")
    client = MlflowClient(tracking_uri=config.tracking.uri)
    experiment = client.create_experiment("mind", artifact_location=(folder / "artifacts").as_uri())
    key = training_key(manifest, config.model, config.training, 0)
    left_behind = client.create_run(experiment, tags={TRAINING_KEY: key}).info.run_id
    of_others = client.create_run(experiment, tags={TRAINING_KEY: "another"}).info.run_id
    printed = []
    for _ in range(2):
        done = train(folder)
        assert done.returncode == 0, done.stdout + done.stderr
        printed.append(done.stdout)
    return Trained(
        folder=folder,
        manifest=manifest,
        config=config,
        client=client,
        left_behind=left_behind,
        of_others=of_others,
        printed=printed,
    )
