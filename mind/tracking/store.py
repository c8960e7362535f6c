"""The MLflow store of an address, opened so that processes that come at once do not break each other's tables."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from mind.tracking.processes import alone

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SQLITE = "sqlite:///"


def open_store(uri: str) -> MlflowClient:
    """A client of the store, which is made where there is none yet."""
    from mlflow.tracking import MlflowClient

    for chatty in ("alembic", "mlflow"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if not uri.startswith(SQLITE):
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
    # The migrations that make the tables of one file know no lock of their own.
    with alone(Path(f"{uri.removeprefix(SQLITE)}.lock")):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_registered_models(max_results=1)
    return client
