"""One empty store for all tests of this folder: to make one takes seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from mind.tracking.store import open_store


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store without runs; copy it."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_store(f"sqlite:///{file}")
    return file
