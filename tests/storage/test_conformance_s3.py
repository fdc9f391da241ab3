"""Object storage keeps the storage contract in a bucket too: one family, for each opening there takes a second."""

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
def storage_factory(fresh_s3: str) -> StorageFactory:
    numbers = count()

    def make(clock: ManualClock) -> JournaledStorage:
        return object_storage(read_place(f"{fresh_s3}/{next(numbers)}"), clock=clock)

    return make
