"""Oban on Postgres."""

import asyncio
from typing import Any

import uvloop
from oban import Oban, worker
from oban.schema import install

from bench.peers.setting import URL, Payload, mark


@worker(queue="default")
class Noop:
    async def process(self, job: Any) -> None:
        mark(job.args)


async def setup() -> None:
    pool = await Oban.create_pool(URL)
    await install(pool)
    await pool.close()


class Producer:
    async def start(self) -> None:
        self.pool = await Oban.create_pool(URL)
        self.oban = Oban(pool=self.pool)

    async def one(self, job: Payload) -> None:
        await self.oban.enqueue(Noop.new(job))

    async def bulk(self, jobs: list[Payload]) -> None:
        await self.oban.enqueue_many([Noop.new(job) for job in jobs])

    async def stop(self) -> None:
        await self.pool.close()


def work(concurrency: int) -> None:
    uvloop.run(_take(concurrency or 20))


async def _take(limit: int) -> None:
    async with Oban(pool=await Oban.create_pool(URL), queues={"default": limit}):
        await asyncio.Event().wait()
