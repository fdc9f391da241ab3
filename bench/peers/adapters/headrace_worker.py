"""headrace on any of its storages, with its own worker."""

import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from bench.peers.setting import DATA, URL, Payload, fresh_path, mark
from headrace import Headrace

app = Headrace(URL.format(data=Path(DATA).resolve()))


@app.task(name="noop", queue="bench")
async def noop(job: Payload) -> None:
    mark(job)


async def setup() -> None:
    fresh_path("headrace")
    os.makedirs(DATA, exist_ok=True)
    async with app:
        await app.acounts()


async def durability() -> str:
    async with app:
        return (await app.here()).storage.capabilities.promise


class Producer:
    async def start(self) -> None:
        await app.acounts()

    async def one(self, job: Payload) -> None:
        await noop.aenqueue(job)

    async def bulk(self, jobs: list[Payload]) -> None:
        await app.aenqueue_many([noop.call(job) for job in jobs])

    async def stop(self) -> None:
        await app.aclose()


def work(concurrency: int) -> None:
    app.run({"bench": concurrency or 10})


def working(concurrency: int) -> AbstractAsyncContextManager[object]:
    return app.worker({"bench": concurrency or 10})
