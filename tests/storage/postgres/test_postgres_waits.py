"""Calls that wait for each other, for a connection or for a lock: who gives way goes again, who waits too long is told
why, and no connection gets lost."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from through_a_proxy import EMPTY, SCHEMA, line, new_job, run_sql, storage_at

from headrace.model.errors import StoreBusy
from headrace.model.record import Put
from headrace.model.state import State
from headrace.storage.contract import Demand
from headrace.storage.postgres import PostgresStorage
from headrace.storage.postgres.driver import Connection
from headrace.storage.postgres.statement import Statement, Steps

pytestmark = pytest.mark.anyio
PATIENCE = 0.5


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def storage(postgres_url: str) -> AsyncIterator[PostgresStorage]:
    storage = storage_at(postgres_url, patience=5.0)
    await storage.open()
    await run_sql(storage, EMPTY)
    yield storage
    await storage.close()


@pytest.fixture
async def narrow(postgres_url: str, storage: PostgresStorage) -> AsyncIterator[PostgresStorage]:
    """With one connection for all its calls, and little patience."""
    narrow = storage_at(postgres_url, patience=PATIENCE, options="pool=1")
    await narrow.open()
    yield narrow
    await narrow.close()


class Holder:
    """Holds a connection of a storage until told to let go."""

    def __init__(self, storage: PostgresStorage) -> None:
        self._has, self._let_go = asyncio.Event(), asyncio.Event()
        self._task = asyncio.ensure_future(storage._driver.hold(self._hold))

    async def _hold(self, connection: Connection) -> None:
        self._has.set()
        await self._let_go.wait()

    async def __aenter__(self) -> None:
        await self._has.wait()

    async def __aexit__(self, *_: object) -> None:
        self._let_go.set()
        await self._task


# --- connections -----------------------------------------------------------------------------------------------------


async def test_many_calls_share_one_connection(narrow: PostgresStorage) -> None:
    await narrow.beat("w", (), 30.0)
    news = [new_job() for _ in range(40)]
    await asyncio.gather(*(narrow.insert([new]) for new in news), *(narrow.count() for _ in range(20)))
    claimed = await asyncio.gather(*(narrow.claim("w", [Demand("q", 4)]) for _ in range(10)))
    assert {job.id for jobs in claimed for job in jobs} == {new.id for new in news}
    assert narrow._connections._made == 1


async def test_who_gets_no_connection_in_time_is_told_of_the_pool(narrow: PostgresStorage) -> None:
    async with Holder(narrow):
        for call in (narrow.count(), narrow.insert([new_job()])):
            with pytest.raises(StoreBusy, match=r"all 1 connections of this handle were in use \(\?pool=1\)"):
                await call
    assert await narrow.count() == {}


async def test_a_caller_that_is_cancelled_while_it_waits_takes_no_connection_along(narrow: PostgresStorage) -> None:
    async with Holder(narrow):
        waiting = [asyncio.ensure_future(narrow.count()) for _ in range(5)]
        while len(narrow._connections._waiting) < 5:
            await asyncio.wait(waiting, timeout=0.001)
        waiting[0].cancel()
        waiting[2].cancel()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(end) for end in ended] == [asyncio.CancelledError, dict, asyncio.CancelledError, dict, dict]
    assert await narrow.count() == {}


async def test_a_connection_that_is_handed_to_a_cancelled_caller_goes_to_the_next(narrow: PostgresStorage) -> None:
    connection = await narrow._connections.acquire()
    first, second = (asyncio.ensure_future(narrow.count()) for _ in range(2))
    while len(narrow._connections._waiting) < 2:
        await asyncio.wait([first, second], timeout=0.001)
    narrow._connections.release(connection)
    first.cancel()
    assert await second == {}
    assert narrow._connections._made == 1
    assert len(narrow._connections._idle) == 1


async def test_a_call_that_is_cancelled_costs_its_connection_and_no_more(narrow: PostgresStorage) -> None:
    sleeping = asyncio.ensure_future(run_sql(narrow, "SELECT pg_sleep(30)"))
    while not narrow._connections._made or narrow._connections._idle:
        await asyncio.wait([sleeping], timeout=0.001)
    await asyncio.wait([sleeping], timeout=0.02)
    sleeping.cancel()
    assert await narrow.count() == {}
    assert narrow._connections._made == 1


async def test_a_connection_that_lay_idle_for_long_is_not_trusted(narrow: PostgresStorage) -> None:
    await narrow.count()
    ((connection, used_at),) = narrow._connections._idle
    narrow._connections._idle[:] = [(connection, used_at - 3600)]
    assert await narrow.count() == {}
    assert connection.is_closed()
    assert narrow._connections._made == 1


async def test_close_waits_for_calls_under_way_and_for_nothing_else(
    postgres_url: str, storage: PostgresStorage
) -> None:
    other = storage_at(postgres_url)
    await other.open()
    ended: list[object] = []

    async def call_and_go_on() -> None:
        ended.append(await other.insert([new_job()]))
        await asyncio.Event().wait()

    task = asyncio.ensure_future(call_and_go_on())
    while not other._calls:
        await asyncio.wait([task], timeout=0.001)
    async with asyncio.timeout(5.0):
        await other.close()
    assert len(ended) == 1
    task.cancel()


# --- locks -----------------------------------------------------------------------------------------------------------


async def test_who_waits_too_long_for_a_lock_is_told_so(postgres_url: str, storage: PostgresStorage) -> None:
    await storage.put([Put("kind", "name", '"1"')])
    hasty = storage_at(postgres_url, patience=PATIENCE)
    await hasty.open()

    async def locking(connection: Connection) -> None:
        async with connection.transaction():
            await connection.execute(f"SELECT * FROM {SCHEMA}.records FOR UPDATE")
            with pytest.raises(StoreBusy, match=r"was locked for 0\.5 s by another connection"):
                await hasty.put([Put("kind", "name", '"2"')])

    await storage._driver.hold(locking)
    assert list(await hasty.put([Put("kind", "name", '"3"')])) == [True]
    await hasty.close()


async def test_who_gives_way_in_a_deadlock_goes_again(storage: PostgresStorage) -> None:
    await storage.put([Put("d", "a", '"0"'), Put("d", "b", '"0"')])
    begun: list[str] = []

    def locking(first: str, second: str) -> Steps[str]:
        lock = "UPDATE {schema}.records SET value = value WHERE kind = 'd' AND name = $1"
        yield Statement(lock, (first,))
        begun.append(first)
        yield Statement("SELECT pg_sleep(0.2)")
        yield Statement(lock, (second,))
        return first

    one = storage._driver.transact(lambda: locking("a", "b"))
    two = storage._driver.transact(lambda: locking("b", "a"))
    async with asyncio.timeout(10.0):
        assert list(await asyncio.gather(one, two)) == ["a", "b"]
    assert len(begun) >= 3, "there was no deadlock"


async def _database(storage: PostgresStorage) -> str:
    name = await storage._driver.hold(lambda connection: connection.fetchval("SELECT quote_ident(current_database())"))
    return str(name)


async def test_where_the_database_serializes_who_gives_way_goes_again(fresh_postgres: str) -> None:
    storage = storage_at(fresh_postgres, patience=5.0)
    await storage.open()
    await run_sql(
        storage,
        f"ALTER DATABASE {await _database(storage)} SET default_transaction_isolation = 'serializable'",
    )
    await storage.close()
    storage = storage_at(fresh_postgres, patience=5.0)
    await storage.open()
    await storage.beat("w", (), 30.0)
    news = [new_job(key=f"k{number % 7}") for number in range(30)]
    receipts = await asyncio.gather(*(storage.insert([new]) for new in news))
    held = {receipt.id for (receipt,) in receipts if not receipt.duplicate}
    assert len(held) == 7
    claimed: list[str] = []
    while len(claimed) < len(held):
        # A round may leave some: a claim passes over what another one holds that then gives way.
        found = await asyncio.gather(*(storage.claim("w", [Demand("q", 2)]) for _ in range(6)))
        assert any(found), "what was given way for is nobody's"
        claimed += [job.id for jobs in found for job in jobs]
    assert sorted(claimed) == sorted(held)
    assert await storage.count() == {("q", State.RUNNING): 7}
    await storage.close()


# --- what is asked and can't be done ---------------------------------------------------------------------------------


async def test_what_no_server_can_do_is_no_trouble_of_the_store(storage: PostgresStorage) -> None:
    """Whoever repeats what a store could not do would repeat it for ever."""

    def bad(statement: str, *parameters: object) -> Steps[None]:
        yield Statement(statement, parameters)

    before = storage._connections._made
    for error, steps in (
        (asyncpg.DivisionByZeroError, lambda: bad("SELECT 1 / 0")),
        (asyncpg.DataError, lambda: bad("SELECT CAST($1 AS integer)", "no number")),
        (asyncpg.CharacterNotInRepertoireError, lambda: bad("SELECT CAST($1 AS text)", "a\0b")),
    ):
        for take in (storage._driver.read, storage._driver.write, storage._driver.transact):
            with pytest.raises(error):
                await take(steps)
    assert storage._connections._made == before
    assert await storage.count() == {}


async def test_statements_that_were_prepared_before_a_table_changed_go_again(storage: PostgresStorage) -> None:
    def look() -> Steps[int]:
        rows = yield Statement("SELECT * FROM {schema}.changing")
        return len(rows[0])

    await run_sql(storage, f"DROP TABLE IF EXISTS {SCHEMA}.changing; CREATE TABLE {SCHEMA}.changing AS SELECT 1 AS a")
    assert await storage._driver.transact(look) == 1
    await run_sql(storage, f"ALTER TABLE {SCHEMA}.changing ADD COLUMN b integer")
    assert await storage._driver.transact(look) == 2
    await run_sql(storage, f"DROP TABLE {SCHEMA}.changing")


async def test_a_statement_that_an_operator_cancelled_is_told_as_that(postgres_url: str) -> None:
    async with line(postgres_url) as wire:
        sleeping = asyncio.ensure_future(run_sql(wire.storage, "SELECT pg_sleep(60)"))
        cancel = (
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
            "WHERE query = 'SELECT pg_sleep(60)' AND datname = current_database()"
        )
        async with asyncio.timeout(10.0):
            while not sleeping.done():
                await run_sql(wire.truth, cancel)
        with pytest.raises(StoreBusy, match="canceling statement due to user request"):
            await sleeping
