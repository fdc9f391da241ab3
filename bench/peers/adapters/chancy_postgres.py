"""Chancy on Postgres: as it is, or with a shorter poll."""

import asyncio

from chancy import Chancy, Queue, Worker, job

from bench.peers.setting import URL, VARIANT, Payload, mark

_OPTIONS = {"polling_interval": 1} if VARIANT == "tuned" else {}


@job(queue="bench")
async def noop(*, data: dict) -> None:
    mark(data)


async def setup() -> None:
    async with Chancy(URL) as chancy:
        await chancy.migrate()


class Producer:
    async def start(self) -> None:
        self.chancy = Chancy(URL)
        await self.chancy.__aenter__()

    async def one(self, data: Payload) -> None:
        await self.chancy.push(noop.job.with_kwargs(data=data))

    async def bulk(self, jobs: list[Payload]) -> None:
        async for _ in self.chancy.push_many([noop.job.with_kwargs(data=data) for data in jobs]):
            pass

    async def stop(self) -> None:
        await self.chancy.__aexit__(None, None, None)


def work(concurrency: int) -> None:
    asyncio.run(_take(concurrency or 20))


async def _take(concurrency: int) -> None:
    async with Chancy(URL) as chancy:
        await chancy.declare(Queue("bench", concurrency=concurrency, executor=Chancy.Executor.Async, **_OPTIONS))
        async with Worker(chancy):
            await asyncio.Event().wait()
