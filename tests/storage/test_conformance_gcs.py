"""Object storage keeps the storage contract with Google's requests too: one family, as in a bucket of S3."""

from itertools import count

import pytest

from headrace.storage.journal.storage import JournaledStorage
from headrace.storage.objectstore import object_storage
from headrace.storage.objectstore.place import read_place
from headrace.system.clock import ManualClock
from headrace.testing.conformance.family import StorageFactory
from headrace.testing.conformance.test_apply import TestOneCommit

__all__ = ["TestOneCommit"]


@pytest.fixture
def storage_factory(fresh_gcs: str) -> StorageFactory:
    numbers = count()

    def make(clock: ManualClock) -> JournaledStorage:
        return object_storage(read_place(f"{fresh_gcs}/{next(numbers)}"), clock=clock)

    return make
