"""Hybrid keeps the storage contract."""

from itertools import count
from pathlib import Path

import pytest

from headrace.storage.hybrid.storage import hybrid_storage
from headrace.storage.journal.storage import JournaledStorage
from headrace.system.clock import ManualClock
from headrace.testing.conformance.everything import *  # noqa: F403 - the suite is these classes, and pytest collects them
from headrace.testing.conformance.family import StorageFactory


@pytest.fixture
def storage_factory(tmp_path: Path) -> StorageFactory:
    numbers = count()

    def make(clock: ManualClock) -> JournaledStorage:
        return hybrid_storage(tmp_path / f"jobs{next(numbers)}.snap", clock=clock)

    return make
