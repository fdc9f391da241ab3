"""A claim touches as little of a store that has grown as of an empty one, whoever holds a transaction open meanwhile.

Told by what the server says it did, pages touched and plans chosen, and not by a clock.
"""

import asyncio
import re
import statistics
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest

from headrace.model import lifecycle
from headrace.model.job import Job, NewJob
from headrace.model.outcome import Returned
from headrace.storage.contract import Demand
from headrace.storage.postgres import PostgresStorage, claiming
from headrace.storage.postgres.driver import Connection, connect
from headrace.storage.postgres.front import Front
from headrace.storage.postgres.queries import load_queries
from headrace.storage.postgres.settings import read_url
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids

MANY = 1_000_000
"""Jobs of each kind: waiting, scheduled, finished."""
CLAIMED = 100
_INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'headrace' AND tablename = 'jobs'"
_FILL = f"""
INSERT INTO headrace.jobs (id, queue, task, state, priority, due_at, enqueued_at, payload, finished_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'q', 't', (ARRAY['pending', 'scheduled', 'completed'])[n % 3 + 1], 1000,
    CASE WHEN n % 3 = 1 THEN 4000000000000 ELSE 1700000000000 + n END, 1700000000000, '{{}}',
    CASE WHEN n % 3 = 2 THEN 1700000000000 + n END
FROM generate_series(1, {3 * MANY}) AS n
"""


@asynccontextmanager
async def storage_at(url: str) -> AsyncIterator[PostgresStorage]:
    storage = PostgresStorage(read_url(url, url))
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


@asynccontextmanager
async def connection_to(url: str) -> AsyncIterator[Connection]:
    connection = await connect(url, timeout=10, settings={"jit": "off"}, statements=100)
    try:
        yield connection
    finally:
        await connection.close(timeout=10)


async def _grow(url: str) -> None:
    """Fills first and makes the indexes afterwards: much faster, and the same store."""
    async with storage_at(url), connection_to(url) as connection:
        indexes = await connection.fetch(_INDEXES)
        for name, _ in indexes:
            if name != "jobs_id":
                await connection.execute(f"DROP INDEX headrace.{name}")
        await connection.execute("ALTER TABLE headrace.jobs DROP CONSTRAINT jobs_id")
        await connection.execute(_FILL)
        await connection.execute("ALTER TABLE headrace.jobs ADD CONSTRAINT jobs_id PRIMARY KEY (id)")
        for name, definition in indexes:
            if name != "jobs_id":
                await connection.execute(definition)
        await connection.execute("ANALYZE headrace.jobs")


@pytest.fixture(scope="module")
def grown(postgres_server) -> Iterator[str]:
    """The URL of a store with a million jobs of each kind."""
    url = postgres_server.create_database()
    asyncio.run(_grow(url))
    yield url
    postgres_server.drop_database(url)


async def explain(connection: Connection, area: str, name: str, *parameters: object, run: bool = True) -> str:
    """The plan of one of our statements, with what it did; nothing of it stays."""
    text = load_queries(area)[name].replace("{schema}", "headrace")
    how = "EXPLAIN (ANALYZE, BUFFERS, TIMING off) " if run else "EXPLAIN "
    transaction = connection.transaction()
    await transaction.start()
    try:
        return "\n".join(row[0] for row in await connection.fetch(how + text, *parameters))
    finally:
        await transaction.rollback()


def pages(plan: str) -> int:
    """How many pages the statement touched."""
    line = next(line for line in plan.splitlines() if "Buffers:" in line)
    return sum(int(number) for number in re.findall(r"(?:hit|read)=(\d+)", line))


async def claim_plan(connection: Connection, storage: PostgresStorage, worker: str = "w") -> str:
    columns = claiming._columns([Demand("q", CLAIMED)], storage._front, storage._clock.monotonic())
    return await explain(connection, "claim", "claim", 0, worker, *columns)


async def work_off(storage: PostgresStorage, rounds: int) -> None:
    for _ in range(rounds):
        jobs = await storage.claim("w", [Demand("q", CLAIMED)])
        assert len(jobs) == CLAIMED
        await storage.apply([lifecycle.complete(job, Returned()) for job in jobs])


def new_jobs(number: int) -> list[NewJob]:
    ids = Ids(SystemClock())
    return [NewJob(ids.new(), "t", "q", "{}") for _ in range(number)]


@pytest.mark.timeout(300)
def test_a_claim_touches_no_more_among_millions(grown: str, fresh_postgres: str) -> None:
    async def measure(url: str) -> int:
        async with storage_at(url) as storage, connection_to(url) as connection:
            await storage.beat("w", [], 600)
            await storage.insert(new_jobs(CLAIMED))
            return pages(await claim_plan(connection, storage))

    few, many = asyncio.run(measure(fresh_postgres)), asyncio.run(measure(grown))
    assert many < 3 * few, (few, many)


def test_no_statement_of_a_worker_reads_all_jobs(grown: str) -> None:
    job_ids = [f"{number:032x}" for number in range(1, 201)]
    statements = [
        ("apply", "complete", (0, "w", job_ids, [1] * 200, [None] * 200, [None] * 200, None, True)),
        ("apply", "rows", (job_ids,)),
        ("claim", "claim", (0, "w", ["q"], [100], [True], ["q"], [0], [32_767], [-1], [f"{0:032x}"])),
        ("claim", "promote", (["q"], 1_800_000_000_000, 1000)),
        ("claim", "running", (["q"],)),
        ("claim", "take", (0, "w", ["q"], [100])),
        ("find", "next_due", (0, ["q", "other"])),
        ("lease", "look", ("w", job_ids)),
        ("lease", "wanted", (0, "w")),
        ("lease", "take_over", ("w", ["gone"], None, 100)),
        ("prune", "too_old", ("completed", ["q"], [1_700_000_000_100], 100)),
        ("prune", "expired", ("completed", 1_800_000_000_000, None, 100)),
        ("prune", "queues", ("completed",)),
    ]

    async def look() -> dict[str, int]:
        async with connection_to(grown) as connection:
            plans = {
                f"{area}.{name}": await explain(connection, area, name, *given) for area, name, given in statements
            }
            assert [name for name, plan in plans.items() if "Seq Scan on jobs" in plan] == []
            return {name: pages(plan) for name, plan in plans.items()}

    touched = asyncio.run(look())
    assert {name for name, number in touched.items() if number > 20_000} == set(), touched


class Counting(Front):
    """Counts the entries that claims walk over."""

    def __init__(self) -> None:
        super().__init__()
        self.walks: list[int] = []

    def note(self, demand: Demand, jobs: Sequence[Job], walked: int, now: float) -> None:
        self.walks.append(walked)
        super().note(demand, jobs, walked, now)


@pytest.mark.timeout(300)
def test_claims_stay_flat_while_a_transaction_is_held_idle(grown: str) -> None:
    """It keeps the server from forgetting a single entry of the jobs that are claimed meanwhile: each claim would walk
    over all of them. The whole line is looked at once a second even so."""

    async def measure() -> list[int]:
        async with storage_at(grown) as storage, connection_to(grown) as idle:
            await idle.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            await idle.fetch("SELECT 1 FROM headrace.workers")
            storage._front = counting = Counting()
            await storage.beat("w", [], 600)
            await work_off(storage, 200)
            await idle.execute("ROLLBACK")
            return counting.walks

    walks = asyncio.run(measure())
    assert walks[:10] == [CLAIMED * number for number in range(1, 11)], "entries pile up: else this proves nothing"
    assert statistics.median(walks[100:]) < 3 * CLAIMED
