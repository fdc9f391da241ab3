"""PgQueuer on Postgres, by asyncpg."""

import asyncio
import json
from typing import Any

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries

from bench.peers.setting import URL, Payload, mark


async def setup() -> None:
    connection = await asyncpg.connect(URL)
    await Queries(AsyncpgDriver(connection)).install()
    await connection.close()


class Producer:
    async def start(self) -> None:
        self.connection = await asyncpg.connect(URL)
        self.queries = Queries(AsyncpgDriver(self.connection))

    async def one(self, job: Payload) -> None:
        await self.queries.enqueue("noop", json.dumps(job).encode())

    async def bulk(self, jobs: list[Payload]) -> None:
        payloads = [json.dumps(job).encode() for job in jobs]
        await self.queries.enqueue(["noop"] * len(jobs), payloads, [0] * len(jobs))

    async def stop(self) -> None:
        await self.connection.close()


def work(concurrency: int) -> None:
    asyncio.run(_take(concurrency))


async def _take(concurrency: int) -> None:
    queuer = PgQueuer(AsyncpgDriver(await asyncpg.connect(URL)))

    @queuer.entrypoint("noop")
    async def noop(job: Any) -> None:
        mark(json.loads(job.payload))

    await queuer.run(**({"batch_size": concurrency} if concurrency else {}))
