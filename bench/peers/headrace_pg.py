"""headrace on Postgres, for the harness that measures queues side by side: it imports ``common`` from there."""

import asyncpg  # noqa: F401 - the extra must be there
from common import PG_URL, fresh_postgres, mark

from headrace import Headrace

VENV = "headrace"
DIST = "headrace"
PEER = "headrace"
BACKEND = "Postgres"
BULK = "aenqueue_many"
WORKER = "one process, concurrency 1000, async handler"

app = Headrace(PG_URL)


@app.task(name="noop", queue="bench")
async def noop(job: dict[str, object]) -> None:
    mark(job)


async def setup() -> None:
    fresh_postgres()
    async with Headrace(PG_URL) as fresh:
        await fresh.acounts()


class Producer:
    async def start(self) -> None:
        await app.acounts()

    async def one(self, job: dict[str, object]) -> None:
        await noop.aenqueue(job)

    async def bulk(self, jobs: list[dict[str, object]]) -> None:
        await app.aenqueue_many([noop.call(job) for job in jobs])

    async def stop(self) -> None:
        await app.aclose()


def work() -> None:
    app.run({"bench": 1000})
