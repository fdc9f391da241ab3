"""Memory keeps the storage contract."""

import pytest

from headrace.storage.memory import MemoryStorage
from headrace.testing.conformance.everything import *  # noqa: F403 - the suite is these classes, and pytest collects them
from headrace.testing.conformance.family import StorageFactory


@pytest.fixture
def storage_factory() -> StorageFactory:
    return MemoryStorage
