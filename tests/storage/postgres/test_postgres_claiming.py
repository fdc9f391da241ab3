"""Claims whose rows somebody else changes between the claim's snapshot and its locks."""

import asyncio

import pytest
from later_versions import ask, connected, opened, storage, until

from headrace.model.job import NewJob, Until
from headrace.storage.contract import Demand

pytestmark = pytest.mark.anyio

WAITING_CLOCK = """
ALTER FUNCTION headrace.clock() RENAME TO own_clock;
CREATE FUNCTION headrace.clock() RETURNS bigint[] LANGUAGE plpgsql VOLATILE AS $$
BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN headrace.own_clock(); END $$
"""
"""Holds up every statement that asks for the time, once it has its snapshot, while somebody has the lock."""


async def test_a_job_that_was_changed_and_is_not_claimed_keeps_its_key(fresh_postgres: str) -> None:
    async def waits() -> bool:
        return bool(await ask(fresh_postgres, "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))

    def new(number: int) -> NewJob:
        return NewJob(f"01890000-0000-7000-8000-{number:012}", "task", "q", "{}", key="key", until=Until.CLAIMED)

    async with opened(storage(fresh_postgres)) as handle, connected(fresh_postgres) as other:
        await handle.beat("w1", (), 60)
        await handle.insert([new(1)])
        await other.execute(WAITING_CLOCK)
        await other.execute("SELECT pg_advisory_lock(1)")
        claiming = asyncio.ensure_future(handle.claim("w1", [Demand("q", 1)]))
        await until(waits)
        await other.execute("UPDATE headrace.jobs SET due_at = due_at - 1")
        await other.execute("SELECT pg_advisory_unlock(1)")
        claimed = await claiming
        assert (await handle.insert([new(2)]))[0].duplicate == (not claimed)
        claimed = claimed or await handle.claim("w1", [Demand("q", 1)])
        assert [job.id for job in claimed] == [new(1).id]
