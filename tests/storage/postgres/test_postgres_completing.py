"""Completions whose rows somebody else changes at the same moment."""

import asyncio

import asyncpg
import pytest

from headrace.model import lifecycle
from headrace.model.change import APPLIED, STALE
from headrace.model.job import NewJob
from headrace.model.outcome import Returned
from headrace.model.state import State
from headrace.storage.contract import Demand
from headrace.storage.postgres import PostgresStorage
from headrace.storage.postgres.settings import read_url

pytestmark = pytest.mark.anyio

_WAITS = """
SELECT count(*) FROM pg_sleep(0.01), pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


async def test_a_completion_that_waits_for_a_cancel_request_is_let_through(fresh_postgres: str) -> None:
    storage = PostgresStorage(read_url(fresh_postgres, fresh_postgres))
    await storage.open()
    ids = [f"01890000-0000-7000-8000-{number:012}" for number in range(3)]
    await storage.insert([NewJob(job_id, "work", "q", "{}") for job_id in ids])
    await storage.beat("w1", (), 30)
    jobs = {job.id: job for job in await storage.claim("w1", [Demand("q", 3)])}
    other = await asyncpg.connect(fresh_postgres)
    looking = await asyncpg.connect(fresh_postgres)
    transaction = other.transaction()
    await transaction.start()
    await other.execute("UPDATE headrace.jobs SET cancel_requested = true WHERE id = $1", ids[1])
    await other.execute("UPDATE headrace.jobs SET generation = generation + 1 WHERE id = $1", ids[2])
    completing = asyncio.ensure_future(
        storage.apply([lifecycle.complete(jobs[job_id], Returned(b"1")) for job_id in ids])
    )
    while not await looking.fetchval(_WAITS):
        continue
    await transaction.commit()
    assert await completing == [APPLIED, APPLIED, STALE]
    after = await storage.get(ids)
    assert [job and job.state for job in after] == [State.COMPLETED, State.COMPLETED, State.RUNNING]
    for connection in (other, looking):
        await connection.close()
    await storage.close()
