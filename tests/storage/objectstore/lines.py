"""A place in a bucket behind a proxy, and what is done there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from headrace.model.job import NewJob
from headrace.storage.contract import Filter, Storage
from headrace.storage.opening import open_url
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids
from headrace.testing.proxy import FaultProxy
from headrace.testing.proxy.http import HttpFaults
from headrace.testing.servers.s3 import S3Server

IDS = Ids(SystemClock())
CLOSING = 2.5
"""Seconds that closing may take beyond patience."""


def is_put(text: bytes) -> bool:
    """Whether a request writes."""
    return text.startswith(b"PUT")


def is_log(text: bytes) -> bool:
    """Whether a request writes what a caller waits for: not what is put in order beside that."""
    return is_put(text) and b"/wal/" in text.partition(b"\r\n")[0]


def new_job() -> NewJob:
    return NewJob(id=IDS.new(), task="t", queue="q", payload="{}")


async def insert(storage: Storage, number: int = 1) -> list[str]:
    """Ids of so many new jobs."""
    return [receipt.id for receipt in await storage.insert([new_job() for _ in range(number)])]


async def ids(storage: Storage) -> set[str]:
    """Of all jobs."""
    return {job.id for job in (await storage.find(Filter(), limit=10_000)).jobs}


async def seconds(doing: asyncio.Future[object]) -> float:
    """How long it takes, whatever comes of it."""
    clock = SystemClock()
    begun = clock.monotonic()
    await asyncio.wait({doing})
    return clock.monotonic() - begun


class Line:
    """The place, the proxy before it, and what goes wrong there."""

    def __init__(self, server: S3Server, url: str, proxy: FaultProxy, faults: HttpFaults) -> None:
        self.server, self.url, self.proxy, self.faults = server, url, proxy, faults
        self.bucket, _, self.prefix = url.removeprefix("s3://").partition("/")

    def storage(self, patience: float = 5.0, **options: str) -> Storage:
        """A handle, not opened yet."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return open_url(f"{self.url}?{query}", clock=SystemClock(), patience=patience)

    @asynccontextmanager
    async def owner(self, patience: float = 5.0, **options: str) -> AsyncIterator[Storage]:
        """A handle that is the owner."""
        storage = self.storage(patience, **options)
        await storage.open()
        try:
            await storage.beat("w", [], 60)
            yield storage
        finally:
            self.heal()
            await storage.close()

    def break_off(self) -> None:
        """The server is away."""
        self.proxy.refuse()
        self.proxy.cut()

    def heal(self) -> None:
        self.proxy.heal()
        self.faults.heal()

    async def kept(self) -> set[str]:
        """Ids of all jobs that the next owner finds."""
        self.heal()
        storage = self.storage()
        await storage.open()
        found = await ids(storage)
        await storage.close()
        return found
