"""SQLite keeps the storage contract."""

from pathlib import Path

import pytest

from headrace.storage.sqlite import SqliteStorage
from headrace.system.clock import ManualClock
from headrace.testing.conformance.everything import *  # noqa: F403 - the suite is these classes, and pytest collects them
from headrace.testing.conformance.family import StorageFactory


@pytest.fixture
def storage_factory(tmp_path: Path) -> StorageFactory:
    def make(clock: ManualClock) -> SqliteStorage:
        return SqliteStorage(tmp_path / "jobs.db", clock=clock)

    return make
