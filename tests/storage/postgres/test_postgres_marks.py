"""A mark beside transactions that were open before it: each is seen by what is read behind it, or refused."""

import asyncio

import asyncpg
import pytest
from later_versions import opened, storage

from headrace.model.errors import StoreBusy, StoreMoved
from headrace.model.job import Job, NewJob
from headrace.model.mark import Mark, Role
from headrace.storage.postgres import PostgresStorage
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids

pytestmark = pytest.mark.anyio

MARK = Mark(Role.SOURCE, "elsewhere", "m")
IDS = Ids(SystemClock())


def new_job() -> NewJob:
    return NewJob(IDS.new(), "t", "q", "{}")


async def ids_of(store: PostgresStorage) -> set[str]:
    return {row.id for row in (await store.dump(limit=100)).rows if isinstance(row, Job)}


async def test_it_waits_for_those_that_have_written(fresh_postgres: str) -> None:
    async with opened(storage(fresh_postgres)) as store:
        caller = await asyncpg.connect(fresh_postgres)
        transaction = caller.transaction()
        await transaction.start()
        job = new_job()
        await store.within(caller).insert([job])  # type: ignore[misc]
        marking = asyncio.ensure_future(store.mark(MARK))
        assert not (await asyncio.wait({marking}, timeout=0.2))[0]
        await transaction.commit()
        await marking
        assert await ids_of(store) == {job.id}
        await caller.close()


async def test_one_that_never_ends_stops_it_and_nobody_else(fresh_postgres: str) -> None:
    async with opened(storage(fresh_postgres, patience=0.1)) as store, opened(storage(fresh_postgres)) as other:
        caller = await asyncpg.connect(fresh_postgres)
        transaction = caller.transaction()
        await transaction.start()
        held = new_job()
        await store.within(caller).insert([held])  # type: ignore[misc]
        with pytest.raises(StoreBusy, match="end it first"):
            await store.mark(MARK)
        assert await store.marked() is None
        job = new_job()
        await other.insert([job])
        await transaction.commit()
        assert await ids_of(store) == {job.id, held.id}
        await caller.close()


async def test_a_snapshot_from_before_writes_nothing_after(fresh_postgres: str) -> None:
    async with opened(storage(fresh_postgres)) as store:
        caller = await asyncpg.connect(fresh_postgres)
        transaction = caller.transaction(isolation="repeatable_read")
        await transaction.start()
        await caller.fetch("SELECT count(*) FROM headrace.migrations")
        await store.mark(MARK)
        with pytest.raises(StoreMoved):
            await store.within(caller).insert([new_job()])  # type: ignore[misc]
        await transaction.rollback()
        await store.mark(None)
        await caller.close()


async def test_a_mark_leaves_nothing_behind(fresh_postgres: str) -> None:
    async with opened(storage(fresh_postgres)) as store:
        caller = await asyncpg.connect(fresh_postgres)
        for _ in range(2):
            await store.mark(MARK)
            await store.mark(MARK)
            await store.mark(None)
        assert await caller.fetchval("SELECT count(*) FROM pg_trigger WHERE tgname = 'headrace_moved'") == 0
        assert await store.marked() is None
        await store.insert([new_job()])
        await caller.close()
