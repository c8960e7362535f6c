"""Runs and model versions in MLflow. Weights are safetensors and JSON in the run's artefacts; nothing is pickled.

A version is found again by its training key (what it was made from), so a step that is run twice trains once.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mind.config import TrackingSection
from mind.errors import MindError
from mind.tracking.processes import has_ended, of_this_process
from mind.tracking.store import open_store

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

log = logging.getLogger("mind")

MODEL_FOLDER = "model"
TRAINING_KEY = "training_key"
CHAMPION = "champion"
CHALLENGER = "challenger"
PROMOTED_ON = "promoted_on"
"""Tag of a version that became champion: the night."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One registered model."""

    number: str
    run_id: str
    tags: Mapping[str, str]
    source: str


class Registry:
    """The tracking store and the model registry of one configuration."""

    def __init__(self, section: TrackingSection) -> None:
        self._section = section

    @cached_property
    def _client(self) -> MlflowClient:
        """Made when it is needed: of the ranks of a training only the leader may open, and create, the store."""
        return open_store(self._section.uri)

    @property
    def place(self) -> str:
        """The store's address as it may be printed: without a user's name and password."""
        scheme, mark, rest = self._section.uri.partition("://")
        return f"{scheme}{mark}{rest.rpartition('@')[2]}"

    @contextmanager
    def run(self, name: str, params: Mapping[str, object], tags: Mapping[str, str]) -> Iterator[str]:
        """A run for the body, which gets its id; FAILED if the body raises.

        Earlier runs that never ended are marked KILLED: those with the same training key, and those of processes of
        this machine that are gone.
        """
        experiment = self._experiment()
        key = tags.get(TRAINING_KEY)
        for stale in self._client.search_runs([experiment], "attributes.status = 'RUNNING'"):
            if has_ended(stale.data.tags) or (key is not None and stale.data.tags.get(TRAINING_KEY) == key):
                self._client.set_terminated(stale.info.run_id, "KILLED")
                log.warning("run %s never ended: its process was killed; it is marked KILLED", stale.info.run_id)
        run_id = self._client.create_run(experiment, tags={**tags, **of_this_process()}, run_name=name).info.run_id
        for key, value in params.items():
            self._client.log_param(run_id, key, value)
        try:
            yield run_id
        except BaseException:
            self._client.set_terminated(run_id, "FAILED")
            raise
        self._client.set_terminated(run_id, "FINISHED")

    def log(self, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        self._client.log_batch(run_id, [Metric(key, float(value), now, step) for key, value in metrics.items()])

    def metrics(self, run_id: str, step: int) -> dict[str, float]:
        """The values that the run logged at this step; the last one of each metric."""
        names = self._client.get_run(run_id).data.metrics
        points = {name: self._client.get_metric_history(run_id, name) for name in names}
        return {name: point.value for name, held in points.items() for point in held if point.step == step}

    def curves(self, run_id: str, main_cutoff: int) -> dict[str, list[float]]:
        """Loss, HitRate and capsule cosine by epoch, under names for people; those that the run logged."""
        wanted = {
            "loss": "loss",
            f"validation HitRate@{main_cutoff}": f"validation_hit_rate_at_{main_cutoff}",
            "capsule cosine": "capsule_mean_cosine",
        }
        found = {}
        for title, metric in wanted.items():
            points = sorted(self._client.get_metric_history(run_id, metric), key=lambda point: int(point.step))
            if points:
                found[title] = [point.value for point in points]
        return found

    def add_json(self, run_id: str, file: str, value: object) -> None:
        """Keep a JSON value as an artefact of the run; `file` is its path there."""
        self.add_text(run_id, file, json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")

    def add_text(self, run_id: str, file: str, text: str) -> None:
        """Keep a text as an artefact of the run, in place of one of the same path."""
        self._client.log_text(run_id, text, file)

    def newest_run(self, tag: str, value: str) -> dict[str, Any] | None:
        """All tags of the last finished run that has this tag; None where there is none."""
        held = self._client.get_experiment_by_name(self._section.experiment)
        if held is None:
            return None
        quoted = value.replace("'", "")
        found = self._client.search_runs(
            [held.experiment_id],
            f"tags.`{tag}` = '{quoted}' and attributes.status = 'FINISHED'",
            max_results=1,
            order_by=["attributes.start_time DESC"],
        )
        return dict(found[0].data.tags) | {"run_id": found[0].info.run_id} if found else None

    def read_json(self, run_id: str, file: str) -> Any:
        """The JSON artefact of a run."""
        from mlflow.artifacts import load_text

        place = f"{self._client.get_run(run_id).info.artifact_uri}/{file}"
        return json.loads(load_text(place))

    def add_files(self, run_id: str, folder: Path) -> None:
        """Copy the folder's files into the run, as its model."""
        self._client.log_artifacts(run_id, str(folder), artifact_path=MODEL_FOLDER)

    def register(self, run_id: str, tags: Mapping[str, str]) -> Version:
        """A new version from the model of a run, under the challenger's alias."""
        from mlflow.exceptions import MlflowException

        name = self._section.model_name
        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{self._client.get_run(run_id).info.artifact_uri}/{MODEL_FOLDER}"
        made = self._client.create_model_version(name, source, run_id=run_id, tags=dict(tags))
        self.point(CHALLENGER, str(made.version))
        return self._version(made)

    def point(self, alias: str, number: str) -> None:
        """Let an alias name this version."""
        self._client.set_registered_model_alias(self._section.model_name, alias, number)

    def tag(self, number: str, tags: Mapping[str, str]) -> None:
        for key, value in tags.items():
            self._client.set_model_version_tag(self._section.model_name, number, key, value)

    def by_key(self, training_key: str) -> Version | None:
        """The version made from exactly this, if there is one."""
        return next((held for held in self._versions() if held.tags.get(TRAINING_KEY) == training_key), None)

    def by_alias(self, alias: str) -> Version | None:
        """The version that an alias names, if it names one."""
        from mlflow.exceptions import MlflowException

        try:
            return self._version(self._client.get_model_version_by_alias(self._section.model_name, alias))
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def numbered(self, number: str) -> Version:
        """The version of that number.

        Raises:
            MindError: there is none.
        """
        from mlflow.exceptions import MlflowException

        name = self._section.model_name
        try:
            return self._version(self._client.get_model_version(name, number))
        except MlflowException as error:
            raise MindError(f"model {name!r} has no version {number} in the tracking store; was it deleted?") from error

    def promoted_before(self, ds: date) -> Version | None:
        """The version that became champion last of those promoted on earlier nights; the same however often a night is
        run again. None where there is none."""
        crowned = [held for held in self._versions() if held.tags.get(PROMOTED_ON, "~") < ds.isoformat()]
        return max(crowned, key=lambda held: (held.tags[PROMOTED_ON], int(held.number)), default=None)

    def need(self, alias: str) -> Version:
        """The version that an alias names.

        Raises:
            MindError: it names none.
        """
        found = self.by_alias(alias)
        if found is None:
            raise MindError(
                f"model {self._section.model_name!r} has no {alias} in {self._section.model_name} at the tracking "
                f"store; run {'train' if alias == CHALLENGER else 'train, evaluate and compare'} first"
            )
        return found

    def folder(self, version: Version) -> Path:
        """A local folder with the files of the version."""
        from mlflow.artifacts import download_artifacts

        return Path(download_artifacts(artifact_uri=version.source, tracking_uri=self._section.uri))

    def _experiment(self) -> str:
        held = self._client.get_experiment_by_name(self._section.experiment)
        if held is not None:
            return str(held.experiment_id)
        from mlflow.exceptions import MlflowException

        place = self._section.artifacts
        if "://" not in place:
            place = Path(place).resolve().as_uri()
        try:
            return str(self._client.create_experiment(self._section.experiment, artifact_location=place))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self._experiment()  # another process made it meanwhile

    def _versions(self) -> list[Version]:
        quoted = self._section.model_name.replace("'", "")
        return [self._version(held) for held in self._client.search_model_versions(f"name = '{quoted}'")]

    @staticmethod
    def _version(held: Any) -> Version:
        return Version(number=str(held.version), run_id=held.run_id, tags=dict(held.tags), source=held.source)
