"""Procrastinate on Postgres, by psycopg."""

import asyncio
import logging

from procrastinate import App, PsycopgConnector

from bench.peers.setting import URL, Payload, mark

logging.disable(logging.INFO)
app = App(connector=PsycopgConnector(conninfo=URL))


@app.task(name="noop")
async def noop(job: Payload) -> None:
    mark(job)


async def setup() -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


class Producer:
    async def start(self) -> None:
        await app.open_async()

    async def one(self, job: Payload) -> None:
        await noop.defer_async(job=job)

    async def bulk(self, jobs: list[Payload]) -> None:
        await noop.batch_defer_async(*[{"job": job} for job in jobs])

    async def stop(self) -> None:
        await app.close_async()


def work(concurrency: int) -> None:
    asyncio.run(_take(concurrency or 1))


async def _take(concurrency: int) -> None:
    async with app.open_async():
        await app.run_worker_async(concurrency=concurrency)
