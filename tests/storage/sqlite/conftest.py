"""What the tests of the SQLite storage share."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from headrace.storage.sqlite import SqliteStorage
from headrace.system.clock import ManualClock
from headrace.testing.conformance.stage import Stage

Make = Callable[..., SqliteStorage]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make(path: Path, clock: ManualClock) -> Make:
    """Makes an unopened handle."""

    def make_one(**options: object) -> SqliteStorage:
        return SqliteStorage(path, **({"clock": clock, "patience": 0.2} | options))

    return make_one


@pytest.fixture
async def storage(make: Make) -> AsyncIterator[SqliteStorage]:
    storage = make()
    await storage.open()
    yield storage
    await storage.close()


@pytest.fixture
def stage(storage: SqliteStorage, clock: ManualClock) -> Stage:
    return Stage(storage, clock)
