"""The fixtures that all families share. A backend's author supplies one more: ``storage_factory``."""

from collections.abc import AsyncIterator, Callable

import pytest

from headrace.storage.contract import Storage
from headrace.system.clock import ManualClock
from headrace.testing.conformance.stage import Stage

StorageFactory = Callable[[ManualClock], Storage]
"""Makes an unopened handle on an empty store that reads time from this clock alone."""


class Family:
    """Tests of one part of the contract."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock(wall=1_800_000_000_123)  # no round number, so that none can be rounded unseen

    @pytest.fixture
    async def stage(self, storage_factory: StorageFactory, clock: ManualClock) -> AsyncIterator[Stage]:
        storage = storage_factory(clock)
        await storage.open()
        yield Stage(storage, clock)
        await storage.close()
