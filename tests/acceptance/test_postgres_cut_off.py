"""One worker alone is cut off from a server that others reach: for less than its lease, and for longer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

from headrace import Headrace
from headrace.runtime.worker import Worker
from headrace.storage.contract import Storage
from headrace.testing.proxy import ProxyThread

LEASE = 6.0
CLAIMS_RESUME = 5.0


class Pair:
    """A worker behind a proxy with a job in hand, and one that would take it over."""

    def __init__(self, url: str, proxy: ProxyThread) -> None:
        parts = urlsplit(url)
        self.proxy = proxy
        self.runs: Counter[str] = Counter()
        self.may_end, self.has_begun, self.was_stopped, self.is_back = (asyncio.Event() for _ in range(4))
        self.far = self._app(urlunsplit(parts._replace(netloc=f"postgres@127.0.0.1:{proxy.port}")), "far")
        self.near = self._app(url, "near")

    def _app(self, url: str, place: str) -> Headrace:
        app = Headrace(url, lease=LEASE, beat=1.0, reap=0.2, poll=0.2)
        app.company = None  # as in a process of its own: a job that may have crashed it runs alone there

        @app.task(name="shared", queue="shared")
        async def shared() -> str:
            self.runs[place] += 1
            self.has_begun.set()
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                self.was_stopped.set()
                raise
            return place

        @app.task(name="far", queue="far")
        async def far() -> None:
            self.is_back.set()

        return app

    def cut_off(self) -> None:
        self.proxy.ask(lambda it: it.refuse())
        self.proxy.ask(lambda it: it.cut())

    def heal(self) -> None:
        self.proxy.ask(lambda it: it.heal())


@asynccontextmanager
async def pair(url: str) -> AsyncIterator[tuple[Pair, Worker, Storage]]:
    with ProxyThread("127.0.0.1", urlsplit(url).port or 5432) as proxy:
        it = Pair(url, proxy)
        async with it.near, it.far, it.far.worker({"shared": 1, "far": 1}) as worker:
            yield it, worker, (await it.near.here()).storage


async def until_lease(storage: Storage, worker: Worker, *, least: float) -> None:
    """Its last beat was a moment ago."""
    while (await storage.leases()).get(worker.id, 0.0) < least:
        pass


def test_who_is_cut_off_for_less_than_a_lease_keeps_what_it_has(fresh_postgres: str) -> None:
    async def run() -> None:
        async with asyncio.timeout(40), pair(fresh_postgres) as (it, worker, storage):
            (receipt,) = await it.near.aenqueue_many([it.near.by_name("shared", {}, {"queue": "shared"})])
            await it.has_begun.wait()
            await until_lease(storage, worker, least=LEASE - 0.2)
            async with it.near.worker({"shared": 1}):
                it.cut_off()
                while (await storage.leases())[worker.id] > LEASE / 2:  # two beats and more have failed
                    pass
                it.heal()
                await until_lease(storage, worker, least=LEASE - 1.0)
                it.may_end.set()
                assert await it.near.aresult(receipt) == "far"
            assert it.runs == {"far": 1}

    asyncio.run(run())


def test_who_is_cut_off_for_longer_loses_it_and_is_soon_at_work_again(fresh_postgres: str) -> None:
    async def run() -> None:
        async with asyncio.timeout(60), pair(fresh_postgres) as (it, _, _):
            (receipt,) = await it.near.aenqueue_many([it.near.by_name("shared", {}, {"queue": "shared"})])
            await it.has_begun.wait()
            it.cut_off()
            async with it.near.worker({"shared": 1}):
                while it.runs["near"] == 0:
                    it.has_begun.clear()
                    await it.has_begun.wait()
                await it.near.aenqueue_many([it.near.by_name("far", {}, {"queue": "far"})])
                it.heal()
                async with asyncio.timeout(CLAIMS_RESUME):
                    await it.is_back.wait()
                await it.was_stopped.wait()  # the one that lost it hears of that
                it.may_end.set()
                assert await it.near.aresult(receipt) == "near"
            assert it.runs == {"far": 1, "near": 1}

    asyncio.run(run())
