"""Object storage keeps the storage contract: here on a local disk, where each write takes little."""

from itertools import count
from pathlib import Path

import pytest

from headrace.storage.journal.storage import JournaledStorage
from headrace.storage.objectstore import object_storage
from headrace.storage.objectstore.place import read_place
from headrace.system.clock import ManualClock
from headrace.testing.conformance.everything import *  # noqa: F403 - the suite is these classes, and pytest collects them
from headrace.testing.conformance.family import StorageFactory


@pytest.fixture
def storage_factory(tmp_path: Path) -> StorageFactory:
    numbers = count()

    def make(clock: ManualClock) -> JournaledStorage:
        return object_storage(read_place(f"file://{tmp_path}/jobs{next(numbers)}"), clock=clock)

    return make
