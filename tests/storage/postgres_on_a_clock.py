"""Postgres on a clock that only the test moves: the schema's clock function reads what each connection is told."""

import asyncio
from weakref import WeakKeyDictionary

from headrace.storage.postgres import PostgresStorage
from headrace.storage.postgres.driver import Connection
from headrace.storage.postgres.settings import read_url
from headrace.system.clock import Clock, ManualClock

SCHEMA = "on_a_clock"
_BOOT = 10**12
"""Milliseconds from one boot to the next: whatever a lease of an earlier boot says is past."""
_CLOCK = f"""CREATE OR REPLACE FUNCTION {SCHEMA}.clock() RETURNS bigint[] LANGUAGE sql VOLATILE
AS $$ SELECT ARRAY[current_setting('headrace.wall')::bigint, current_setting('headrace.lease')::bigint] $$"""
_TABLES = [f"{SCHEMA}.{table}" for table in ("jobs", "keys", "workers", "records", "timeline")]
_EMPTY = "; ".join(
    [f"TRUNCATE {', '.join(_TABLES)}", *(f"DROP TRIGGER IF EXISTS headrace_moved ON {table}" for table in _TABLES)]
)


class Hands:
    """Sets the server's clock to that of a test, on each connection that is handed out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: WeakKeyDictionary[object, tuple[str, str]] = WeakKeyDictionary()

    async def set(self, connection: Connection) -> None:
        """Where it is not so already."""
        boots = self._clock.boot_id().count("'")
        moment = (str(self._clock.wall()), str(boots * _BOOT + self._clock.boot()))
        if self._told.get(connection) != moment:
            await connection.execute(
                f"SELECT set_config('headrace.wall', '{moment[0]}', false), "
                f"set_config('headrace.lease', '{moment[1]}', false)"
            )
            self._told[connection] = moment


class StorageOnAClock(PostgresStorage):
    """Hears notices as soon as it is open."""

    async def open(self) -> None:
        await super().open()
        self._ear.need()
        async with asyncio.timeout(10):
            await self._ear.hears.wait()


def storage_on(url: str, clock: Clock) -> StorageOnAClock:
    """A handle on the store of that database."""
    settings = read_url(f"{url}?schema={SCHEMA}", url)
    return StorageOnAClock(settings, clock=clock, prepare=Hands(clock).set)


def make_store(url: str) -> None:
    """The schema, with the clock of tests."""

    async def make() -> None:
        storage = PostgresStorage(read_url(f"{url}?schema={SCHEMA}", url), clock=ManualClock())
        await storage.open()
        await _run(storage, _CLOCK)
        await storage.close()

    asyncio.run(make())


def empty_store(url: str) -> None:
    """Nothing is left of the tests before."""

    async def empty() -> None:
        storage = PostgresStorage(read_url(f"{url}?schema={SCHEMA}", url), clock=ManualClock())
        await storage.open()
        await _run(storage, _EMPTY)
        await storage.close()

    asyncio.run(empty())


async def _run(storage: PostgresStorage, sql: str) -> None:
    await storage._driver.hold(lambda connection: connection.execute(sql))
