"""Everything works by polling alone, and through a pooler that gives each transaction another connection: notices only
make it quick, and no session carries ownership."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from headrace import Headrace
from headrace.interface.task import Call
from headrace.model.errors import JobCancelled
from headrace.model.state import State
from headrace.storage.contract import Demand
from headrace.testing.servers.databases import Postgres
from headrace.testing.servers.pgbouncer import PgBouncer

WORKERS = 3
JOBS = 120
MOST_BACKENDS = 5
"""Behind the pooler, whatever number of handles is before it."""


@pytest.fixture(params=["notify=off", "pooler=transaction"])
def url(request: pytest.FixtureRequest, fresh_postgres: str) -> str:
    if request.param == "notify=off":
        return f"{fresh_postgres}?notify=off"
    pooler: PgBouncer = request.getfixturevalue("small_pooler")
    return f"{pooler.url(fresh_postgres.rpartition('/')[2])}?pooler=transaction"


@pytest.fixture(scope="module")
def small_pooler(postgres_server: Postgres, missing: Callable[[str, str], None]) -> Iterator[PgBouncer]:
    if PgBouncer.find() is None:
        missing("PgBouncer", "apt-get install pgbouncer")
    with PgBouncer.start(postgres_server, pool_size=MOST_BACKENDS) as pooler:
        yield pooler


class Bench:
    """Some workers of one app each, and a client of their store."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.runs: Counter[int] = Counter()
        self.started, self.stopped = asyncio.Event(), asyncio.Event()

    def app(self) -> Headrace:
        app = Headrace(self.url, poll=0.1, lease=3.0, reap=0.2)

        @app.task(name="count")
        async def count(number: int) -> int:
            self.runs[number] += 1
            return number * 2

        @app.task(name="endless")
        async def endless() -> None:
            self.started.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.stopped.set()

        return app


@asynccontextmanager
async def bench(url: str, workers: int = WORKERS) -> AsyncIterator[tuple[Bench, Headrace]]:
    it = Bench(url)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(it.app())
        for _ in range(workers):
            app = await stack.enter_async_context(it.app())
            await stack.enter_async_context(app.worker({"default": 4}))
        yield it, client


def call(client: Headrace, number: int) -> Call[object]:
    return client.by_name("count", {"number": number}, {})


def test_jobs_run_once_and_are_waited_for(url: str) -> None:
    async def run() -> None:
        async with asyncio.timeout(60), bench(url) as (it, client):
            receipts = await client.aenqueue_many([call(client, number) for number in range(JOBS)])
            results = await asyncio.gather(*(client.aresult(receipt) for receipt in receipts))
            assert results == [number * 2 for number in range(JOBS)]
            assert it.runs == Counter(range(JOBS))
            assert await client.acounts() == {"default": {State.COMPLETED: JOBS}}

    asyncio.run(run())


def test_a_running_job_is_cancelled(url: str) -> None:
    async def run() -> None:
        async with asyncio.timeout(30), bench(url) as (it, client):
            (receipt,) = await client.aenqueue_many([client.by_name("endless", {}, {})])
            await it.started.wait()
            await client.acancel(receipt)
            with pytest.raises(JobCancelled):
                await client.aresult(receipt)
            await it.stopped.wait()

    asyncio.run(run())


def test_a_queue_is_paused_and_resumed_and_a_later_job_comes(url: str) -> None:
    async def run() -> None:
        async with asyncio.timeout(30), bench(url) as (_, client):
            await client.apause("default")
            (receipt,) = await client.aenqueue_many([call(client, 1)])
            (later,) = await client.aenqueue_many([client.by_name("count", {"number": 2}, {"delay": 0.5})])
            await client.aresume("default")
            assert [await client.aresult(receipt), await client.aresult(later)] == [2, 4]

    asyncio.run(run())


def test_jobs_of_a_worker_that_vanished_are_rescued(url: str) -> None:
    """Behind a pooler its connections go on being used by others: they are not what it is known by."""

    async def run() -> None:
        async with asyncio.timeout(30), bench(url, workers=0) as (it, client):
            storage = (await client.here()).storage
            receipts = await client.aenqueue_many([call(client, number) for number in range(3)])
            await storage.beat("gone", (), 0.3)
            assert len(await storage.claim("gone", [Demand("default", 3)])) == 3
            async with it.app() as app, app.worker({"default": 4}):
                results = await asyncio.gather(*(client.aresult(receipt) for receipt in receipts))
            assert results == [0, 2, 4]
            assert {job.crashes for job in await client.ajobs()} == {1}

    asyncio.run(run())
