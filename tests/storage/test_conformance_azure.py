"""Object storage keeps the storage contract in Azure Blob Storage too: the families whose writes differ. All of them
take three minutes there."""

from itertools import count

import pytest

from headrace.storage.journal.storage import JournaledStorage
from headrace.storage.objectstore import object_storage
from headrace.storage.objectstore.place import read_place
from headrace.system.clock import ManualClock
from headrace.testing.conformance.family import StorageFactory
from headrace.testing.conformance.test_apply import TestOneCommit
from headrace.testing.conformance.test_claim import TestClaim
from headrace.testing.conformance.test_insert import TestInsert
from headrace.testing.conformance.test_lease import TestBeat
from headrace.testing.conformance.test_moving import TestLoad, TestMark
from headrace.testing.conformance.test_reclaim import TestReclaim
from headrace.testing.conformance.test_records import TestRecords

__all__ = ["TestBeat", "TestClaim", "TestInsert", "TestLoad", "TestMark", "TestOneCommit", "TestReclaim", "TestRecords"]


@pytest.fixture
def storage_factory(fresh_azure: str) -> StorageFactory:
    numbers = count()

    def make(clock: ManualClock) -> JournaledStorage:
        return object_storage(read_place(f"{fresh_azure}/{next(numbers)}"), clock=clock)

    return make
