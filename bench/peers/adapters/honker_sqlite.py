"""honker on SQLite: the loop of its documentation."""

import asyncio

import honker

from bench.peers.setting import Payload, data_path, fresh_path, mark, pragmas


def setup() -> None:
    honker.open(fresh_path("honker.db")).queue("bench")


def durability() -> str:
    with honker.open(data_path("honker.db")).transaction() as transaction:
        return pragmas(lambda pragma: next(iter(transaction.query(pragma)[0].values())))


class Producer:
    def start(self) -> None:
        self.database = honker.open(data_path("honker.db"))
        self.queue = self.database.queue("bench")

    def one(self, job: Payload) -> None:
        self.queue.enqueue(job)

    def bulk(self, jobs: list[Payload]) -> None:
        with self.database.transaction() as transaction:
            for job in jobs:
                self.queue.enqueue(job, tx=transaction)

    def stop(self) -> None:
        self.database.close()


def work(_: int) -> None:
    asyncio.run(_take())


async def _take() -> None:
    async for job in honker.open(data_path("honker.db")).queue("bench").claim("worker"):
        mark(job.payload)
        job.ack()
