"""From an older schema to a newer one: beside those who work, whoever does it, and whatever it is that stops it."""

import asyncio
import signal
from asyncio.subprocess import create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from later_versions import (
    ENVIRONMENT,
    MIGRATE,
    NEXT,
    ask,
    connected,
    index_of,
    new_job,
    next_storage,
    opened,
    steps,
    storage,
    until,
)

from headrace.model.errors import NotPermitted, SchemaTooOld, StoreBusy
from headrace.storage.contract import Demand
from headrace.storage.postgres import PostgresStorage, migrating
from headrace.storage.postgres.driver import Connection
from headrace.system.clock import SystemClock
from headrace.testing.servers.databases import Postgres
from headrace.testing.servers.pgbouncer import PgBouncer

pytestmark = pytest.mark.anyio
PRE = [(1, False), (2, False), (3, False)]
WITHOUT_INDEX = {step: text for step, text in NEXT.items() if step.number < 3}
SOON = 10.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def old_store(fresh_postgres: str) -> str:
    """A database with a store of this version, and a job in it."""
    async with opened(storage(fresh_postgres)) as handle:
        await handle.insert([new_job()])
    return fresh_postgres


@pytest.fixture
async def half_way(old_store: str) -> str:
    """The same, where only the index is missing."""
    async with opened(storage(old_store, migrations=WITHOUT_INDEX, auto_migrate=True)):
        return old_store


@asynccontextmanager
async def transaction(url: str, statement: str) -> AsyncIterator[Connection]:
    """Somebody's transaction that stays open, and does nothing more."""
    async with connected(url) as connection:
        await connection.execute("BEGIN")
        await connection.execute(statement)
        yield connection
        if not connection.is_closed():
            await connection.execute("ROLLBACK")


def writer(url: str) -> AbstractAsyncContextManager[Connection]:
    """One for which an index that is built beside others waits."""
    return transaction(url, "UPDATE headrace.jobs SET priority = priority")


async def work_once(handle: PostgresStorage) -> float:
    """The seconds that it takes to insert a job and to claim it."""
    clock = SystemClock()
    began = clock.monotonic()
    new = new_job("work")
    await handle.insert([new])
    assert [job.id for job in await handle.claim("worker", [Demand("work", 1)])] == [new.id]
    return clock.monotonic() - began


async def work_until(task: "asyncio.Task[int]", handle: PostgresStorage) -> list[float]:
    await handle.beat("worker", (), 60)
    took = []
    while not task.done():
        took.append(await work_once(handle))
    return took


# --- an empty database -----------------------------------------------------------------------------------------------


async def test_an_empty_database_is_migrated_by_whoever_opens_it_first(fresh_postgres: str) -> None:
    async with opened(storage(fresh_postgres)) as handle:
        assert await handle.migrate() == 1
    assert await steps(fresh_postgres) == [(1, False)]


async def test_ten_who_open_an_empty_database_at_once_find_one_store(fresh_postgres: str) -> None:
    handles = [storage(fresh_postgres) for _ in range(10)]
    await asyncio.gather(*(handle.open() for handle in handles))
    await asyncio.gather(*(handle.insert([new_job()]) for handle in handles))
    assert sum((await handles[0].count()).values()) == 10
    await asyncio.gather(*(handle.close() for handle in handles))
    assert await steps(fresh_postgres) == [(1, False)]


async def test_processes_that_open_an_empty_database_at_once(fresh_postgres: str) -> None:
    processes = [await create_subprocess_exec(*MIGRATE, fresh_postgres, env=ENVIRONMENT) for _ in range(3)]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    assert await steps(fresh_postgres) == PRE


async def test_who_was_killed_in_the_middle_of_the_first_opening_leaves_a_database_as_good_as_empty(
    fresh_postgres: str,
) -> None:
    async with connected(fresh_postgres) as connection:
        await migrating._prepare(connection, "headrace")
    async with opened(storage(fresh_postgres)) as handle:
        assert await handle.count() == {}


# --- older, newer ----------------------------------------------------------------------------------------------------


async def test_an_older_store_is_refused(old_store: str) -> None:
    with pytest.raises(SchemaTooOld, match="has schema 1, this version needs 3; run: headrace migrate"):
        await next_storage(old_store).open()
    assert await steps(old_store) == [(1, False)]


async def test_an_older_store_is_migrated_where_that_is_wanted_and_keeps_its_jobs(old_store: str) -> None:
    async with opened(next_storage(old_store, auto_migrate=True)) as handle:
        assert sum((await handle.count()).values()) == 1
    assert await steps(old_store) == PRE
    assert await index_of(old_store)


async def test_what_comes_after_older_versions_waits_for_the_word(old_store: str) -> None:
    async with opened(next_storage(old_store, auto_migrate=True)) as handle:
        assert await handle.migrate() == 3
        assert await steps(old_store) == PRE
        assert await handle.migrate(post=True) == 3
        assert await steps(old_store) == [*PRE, (3, True)]
        assert await handle.migrate(post=True) == 3


async def test_this_version_works_beside_the_next_one(old_store: str) -> None:
    async with opened(storage(old_store)) as older:
        async with opened(next_storage(old_store, auto_migrate=True)) as newer:
            await older.beat("worker", (), 60)
            await work_once(older)
            await newer.insert([new_job("work")])
            assert len(await older.claim("worker", [Demand("work", 1)])) == 1
        assert await older.migrate() == 3  # changes nothing: it knows less than is there
    async with opened(storage(old_store, auto_migrate=True)) as started_later:
        assert sum((await started_later.count()).values()) == 3
    assert await steps(old_store) == PRE


# --- two at once -----------------------------------------------------------------------------------------------------


async def test_two_who_migrate_at_once_do_each_file_once(old_store: str) -> None:
    handles = [next_storage(old_store, auto_migrate=True) for _ in range(4)]
    await asyncio.gather(*(handle.open() for handle in handles))
    assert await asyncio.gather(*(handle.migrate(post=True) for handle in handles)) == [3] * 4
    await asyncio.gather(*(handle.close() for handle in handles))
    assert await steps(old_store) == [*PRE, (3, True)]
    assert await index_of(old_store)


async def test_who_waits_for_the_lock_is_not_waited_for_by_the_index(half_way: str) -> None:
    """An index that is built beside others waits for all who hold a snapshot, as whoever waits in a statement does."""
    first, second = next_storage(half_way, auto_migrate=True), next_storage(half_way, auto_migrate=True)
    async with writer(half_way):
        migrating_first = asyncio.ensure_future(first.open())
        await until(lambda: _is_there(half_way))
        migrating_second = asyncio.ensure_future(second.open())
        await until(lambda: _waits_for_lock(half_way))
    async with asyncio.timeout(SOON):
        await asyncio.gather(migrating_first, migrating_second)
    await first.close()
    await second.close()
    assert await steps(half_way) == PRE


async def _is_there(url: str) -> bool:
    return await index_of(url) is not None


async def _waits_for_lock(url: str) -> bool:
    return bool(await ask(url, f"{_LOCKS} AND NOT granted"))


# --- whatever stops it -----------------------------------------------------------------------------------------------


async def test_what_a_killed_migrator_left_is_made_anew(half_way: str) -> None:
    async with writer(half_way):
        process = await create_subprocess_exec(*MIGRATE, half_way, env=ENVIRONMENT)
        await until(lambda: _is_there(half_way))
        process.send_signal(signal.SIGKILL)
        await process.wait()
        assert await index_of(half_way) is False
        # the server sees by itself that nobody waits for the rest, and lets go of the table
        await until(lambda: _is_left(half_way))
    assert await index_of(half_way) is False
    assert await steps(half_way) == [(1, False), (2, False)]
    async with opened(next_storage(half_way, auto_migrate=True)):
        assert await index_of(half_way) is True
    assert await steps(half_way) == PRE


async def _is_left(url: str) -> bool:
    return not await ask(url, "SELECT FROM pg_stat_progress_create_index")


async def test_a_migrator_that_loses_its_lock_begins_anew(half_way: str) -> None:
    handle = next_storage(half_way, auto_migrate=True)
    async with writer(half_way):
        opening = asyncio.ensure_future(handle.open())
        await until(lambda: _is_there(half_way))
        lost = await ask(half_way, _END_LOCK)
        await until(lambda: _is_locked_by_another(half_way, lost[0][0]))
    async with asyncio.timeout(SOON):
        await opening
    await handle.close()
    assert await index_of(half_way) is True
    assert await steps(half_way) == PRE


_LOCKS = "SELECT pid FROM pg_locks JOIN pg_database AS own ON own.oid = database WHERE locktype = 'advisory'"
_END_LOCK = f"SELECT pid, pg_terminate_backend(pid) FROM ({_LOCKS} AND datname = current_database()) AS locking"


async def _is_locked_by_another(url: str, pid: int) -> bool:
    return bool(await ask(url, f"{_LOCKS} AND datname = current_database() AND pid <> {pid}"))


async def test_a_file_in_one_transaction_is_done_whole_or_not_at_all(old_store: str) -> None:
    broken = {**NEXT, next(step for step in NEXT if step.number == 2): NEXT[2, False] + "SELECT nonsense;"}  # type: ignore[index]
    with pytest.raises(Exception, match="nonsense"):
        await storage(old_store, migrations=broken, auto_migrate=True).open()
    assert await steps(old_store) == [(1, False)]
    async with opened(next_storage(old_store, auto_migrate=True)):
        assert await steps(old_store) == PRE


# --- beside those who work -------------------------------------------------------------------------------------------


async def test_jobs_go_on_while_an_index_over_many_is_built(old_store: str) -> None:
    await ask(
        old_store,
        "INSERT INTO headrace.jobs (id, due_at, enqueued_at, priority, state, queue, task, payload) "
        "SELECT gen_random_uuid(), 0, 0, 0, 'completed', 'old', 'task', md5(n::text) "
        "FROM generate_series(1, 200000) AS numbers (n)",
    )
    async with opened(storage(old_store)) as handle, opened(storage(old_store)) as other:
        await work_until(asyncio.ensure_future(other.migrate()), handle)  # whatever is slow the first time
        opening = asyncio.ensure_future(_migrated(old_store))
        took = await work_until(opening, handle)
        assert await opening == 3
    assert len(took) > 3
    assert max(took) < migrating._LOCK
    assert await index_of(old_store) is True


async def _migrated(url: str) -> int:
    async with opened(next_storage(url, auto_migrate=True)) as handle:
        return await handle.migrate()


async def test_jobs_go_on_while_an_index_waits_for_an_idle_transaction(half_way: str) -> None:
    async with opened(storage(half_way)) as handle:
        await handle.beat("worker", (), 60)
        async with writer(half_way):
            opening = asyncio.ensure_future(_migrated(half_way))
            await until(lambda: _is_there(half_way))
            for _ in range(20):
                assert await work_once(handle) < migrating._LOCK
            assert not opening.done()
        assert await opening == 3


async def test_a_change_that_stops_others_gives_way_while_an_idle_transaction_is_open(
    old_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "_LOCK", 0.2)
    monkeypatch.setattr(migrating, "_PAUSE", 0.2)
    async with opened(storage(old_store)) as handle:
        await handle.beat("worker", (), 60)
        async with transaction(old_store, "SELECT count(*) FROM headrace.jobs"):
            opening = asyncio.ensure_future(_migrated(old_store))
            await until(lambda: _wants_the_table(old_store))
            took = [await work_once(handle) for _ in range(20)]
            assert max(took) < SOON
            assert await steps(old_store) == [(1, False)]
            assert not opening.done()
        assert await opening == 3


async def _wants_the_table(url: str) -> bool:
    return bool(await ask(url, "SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"))


async def test_a_change_that_gets_no_lock_changes_nothing(old_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrating, "_LOCK", 0.05)
    monkeypatch.setattr(migrating, "_PAUSE", 0.05)
    monkeypatch.setattr(migrating, "_TRIES", 3)
    async with transaction(old_store, "SELECT count(*) FROM headrace.jobs"):
        with pytest.raises(StoreBusy):
            await next_storage(old_store, auto_migrate=True).open()
    assert await steps(old_store) == [(1, False)]


async def test_a_pooler_between_changes_nothing(half_way: str, pgbouncer: PgBouncer) -> None:
    url = f"{pgbouncer.url(half_way.rpartition('/')[2])}?pooler=transaction"
    first, second = next_storage(url, auto_migrate=True), next_storage(url, auto_migrate=True)
    async with writer(half_way):
        opening = [asyncio.ensure_future(first.open()), asyncio.ensure_future(second.open())]
        await until(lambda: _is_there(half_way))
        await until(lambda: _waits_for_lock(half_way))
    async with asyncio.timeout(SOON):
        await asyncio.gather(*opening)
    await first.close()
    await second.close()
    assert await steps(half_way) == PRE
    assert await index_of(half_way) is True


# --- several stores, and those who may not ---------------------------------------------------------------------------


async def test_two_stores_in_one_database_know_nothing_of_each_other(fresh_postgres: str) -> None:
    async with (
        opened(storage(fresh_postgres)) as one,
        opened(storage(f"{fresh_postgres}?schema=other")) as other,
        opened(next_storage(f"{fresh_postgres}?schema=third")) as third,
    ):
        heard = one.listen(["queue:default"])
        assert await heard.wait(SOON)  # it was told that it may have missed something
        new = new_job()
        await other.insert([new])
        assert await one.get([new.id]) == await third.get([new.id]) == [None]
        assert await one.claim("worker", [Demand("default", 1)]) == []
        assert not await heard.wait(0.2)
        await one.insert([new])  # of the same id
        assert sum((await one.count()).values()) == sum((await other.count()).values()) == 1
    assert await steps(fresh_postgres, "other") == [(1, False)]
    assert await steps(fresh_postgres, "third") == PRE


async def test_who_may_not_make_a_store_is_told_so(fresh_postgres: str, postgres_server: Postgres) -> None:
    name = "stranger_" + fresh_postgres.rpartition("_")[2]
    postgres_server.run_sql(f"CREATE ROLE {name} LOGIN")
    database = fresh_postgres.rpartition("/")[2]
    theirs = postgres_server.url(database, user=name)
    try:
        with pytest.raises(NotPermitted, match=r"permission denied for database .* can't migrate schema 'headrace'"):
            await storage(theirs).open()
        async with opened(storage(fresh_postgres)):
            with pytest.raises(NotPermitted, match="permission denied for schema headrace"):
                await storage(theirs).open()
    finally:
        postgres_server.run_sql(f"DROP ROLE {name}")
