"""The storage contract through a real pooler that gives each transaction another connection, and without notices.

No session carries anything: the clock of tests is told in each transaction, too. ``make explore`` runs all of it, which
takes minutes; what waits for a notice of another handle is left out, for without notices that comes by polling.
"""

import os

import pytest
from postgres_on_a_clock import SCHEMA, empty_store, make_store

from headrace.storage.opening import redact
from headrace.storage.postgres import PostgresStorage
from headrace.storage.postgres.driver import Connection
from headrace.storage.postgres.settings import read_url
from headrace.system.clock import Clock, ManualClock
from headrace.testing.conformance.everything import *  # noqa: F403 - the suite is these classes, and pytest collects them
from headrace.testing.conformance.family import StorageFactory
from headrace.testing.servers.pgbouncer import PgBouncer

pytestmark = pytest.mark.skipif(not os.environ.get("HEADRACE_EVERY_CLASS"), reason="takes minutes: make explore")
_BOOT = 10**12
HEARING = ("wakes", "hear", "notice")
"""In the names of tests that wait for notices."""


class PooledOnAClock(PostgresStorage):
    """Tells the clock of a test at the beginning of each transaction."""

    def __init__(self, *args: object, **options: object) -> None:
        options["prepare"] = self._set_clock
        super().__init__(*args, **options)  # type: ignore[arg-type]

    async def _set_clock(self, _: Connection) -> None:
        clock: Clock = self._clock
        lease = clock.boot_id().count("'") * _BOOT + clock.boot()
        begin = self._driver._begin.partition("; SET LOCAL headrace.wall")[0]
        self._driver._begin = (
            f"{begin}; SET LOCAL headrace.wall = '{clock.wall()}'; SET LOCAL headrace.lease = '{lease}'"
        )


@pytest.fixture(scope="session")
def pooled(postgres_url: str, pgbouncer: PgBouncer) -> tuple[str, str]:
    """Of a store whose clock tests move: the URL there, and that through the pooler."""
    make_store(postgres_url)
    return postgres_url, f"{pgbouncer.url(postgres_url.rpartition('/')[2])}?schema={SCHEMA}&pooler=transaction"


@pytest.fixture(autouse=True)
def without_notices(request: pytest.FixtureRequest) -> None:
    if any(word in request.node.name for word in HEARING):
        pytest.skip("waits for a notice")


@pytest.fixture
def storage_factory(pooled: tuple[str, str]) -> StorageFactory:
    direct, through = pooled
    empty_store(direct)

    def make(clock: ManualClock) -> PooledOnAClock:
        return PooledOnAClock(read_url(through, redact(through)), clock=clock)

    return make
