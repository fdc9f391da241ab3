"""Inserts, claims and completions on a storage, whatever befalls its server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from headrace.model import lifecycle
from headrace.model.change import Status
from headrace.model.errors import AnswerLost, EnqueueUnknown, StoreUnreachable
from headrace.model.job import NewJob
from headrace.model.outcome import Returned
from headrace.model.retry import RetryPolicy
from headrace.runtime.strays import held_by
from headrace.storage.contract import Demand
from headrace.storage.postgres import PostgresStorage
from headrace.storage.postgres.settings import read_url
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids

IDS = Ids(SystemClock())


def new_job(**fields: Any) -> NewJob:
    """A job of queue ``q``."""
    defaults: dict[str, Any] = {"id": IDS.new(), "task": "t", "queue": "q", "payload": "{}"}
    return NewJob(**(defaults | fields))


@asynccontextmanager
async def opened(url: str, patience: float = 20.0) -> AsyncIterator[PostgresStorage]:
    """A handle, from its opening to its end."""
    storage = PostgresStorage(read_url(url, url), patience=patience)
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


class Traffic:
    """Inserts, claims and completions, until it is told that all is inserted, and all of it is completed."""

    def __init__(self, storage: PostgresStorage, worker: str) -> None:
        self._storage, self._worker = storage, worker
        self.acknowledged: list[str] = []
        self.unknown: list[str] = []
        self.completed: list[str] = []
        self.errors: list[Exception] = []
        self.inserted = self.ends = False
        self.news = asyncio.Condition()

    async def insert(self) -> None:
        while not self.inserted:
            new = new_job()
            try:
                await self._storage.insert([new])
                self.acknowledged.append(new.id)
            except EnqueueUnknown:
                self.unknown.append(new.id)
            async with self.news:
                self.news.notify_all()

    async def work(self) -> None:
        """As a worker does: whatever failed is tried again, and what a lost answer took is looked for."""
        lost = True
        while not self.ends:
            try:
                await self._storage.beat(self._worker, (), 60.0)
                jobs = list(await held_by(self._storage, self._worker)) if lost else []
                lost = True
                jobs += await self._storage.claim(self._worker, [Demand("q", 20)])
                changes = [lifecycle.settle(job, Returned(), RetryPolicy(), 0.5) for job in jobs]
                verdicts = await self._storage.apply(changes)
                lost = False
            except (AnswerLost, StoreUnreachable) as error:
                self.errors.append(error)
                await self._storage._connections.pace.rest(1, 1.0)
                continue
            self.completed += [job.id for job, its in zip(jobs, verdicts, strict=True) if its.status is Status.APPLIED]

    async def until(self, jobs: int) -> None:
        async with self.news:
            await self.news.wait_for(lambda: len(self.acknowledged) >= jobs)
