"""A storage that reaches its server through our fault proxy, and another that goes there directly: the truth."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from headrace.model.job import Job, NewJob
from headrace.storage.contract import Filter
from headrace.storage.opening import redact
from headrace.storage.postgres import PostgresStorage
from headrace.storage.postgres.settings import read_url
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids
from headrace.testing.proxy import FaultProxy, PostgresDialogue

SCHEMA = "faults"
EMPTY = f"TRUNCATE {SCHEMA}.jobs, {SCHEMA}.keys, {SCHEMA}.workers, {SCHEMA}.records, {SCHEMA}.timeline"
IDS = Ids(SystemClock())


def new_job(**fields: Any) -> NewJob:
    """A job of queue ``q``."""
    defaults: dict[str, Any] = {"id": IDS.new(), "task": "t", "queue": "q", "payload": "{}"}
    return NewJob(**(defaults | fields))


def storage_at(url: str, *, patience: float = 2.0, options: str = "") -> PostgresStorage:
    """A handle, not opened yet, on a store of its own beside those of other tests."""
    whole = f"{url}?schema={SCHEMA}{options and '&'}{options}"
    return PostgresStorage(read_url(whole, redact(whole)), patience=patience)


def behind(url: str, port: int) -> str:
    """The same database at another port of this machine."""
    parts = urlsplit(url)
    who = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{who}@127.0.0.1:{port}"))


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[FaultProxy]:
    """A proxy before the server of this database."""
    parts = urlsplit(url)
    async with FaultProxy(parts.hostname or "127.0.0.1", parts.port or 5432, speaks=PostgresDialogue) as proxy:
        yield proxy


async def run_sql(storage: PostgresStorage, sql: str) -> str:
    """On a connection of the storage's own."""
    return await storage._driver.hold(lambda connection: connection.execute(sql))


class Line:
    """A storage behind a proxy, and the truth."""

    def __init__(self, proxy: FaultProxy, storage: PostgresStorage, truth: PostgresStorage, url: str) -> None:
        self.proxy, self.storage, self.truth, self.url = proxy, storage, truth, url

    async def jobs(self) -> list[Job]:
        """What is stored."""
        return list((await self.truth.find(Filter(), limit=1000)).jobs)

    async def ids(self) -> set[str]:
        """Of all that is stored."""
        return {job.id for job in await self.jobs()}


@asynccontextmanager
async def line(url: str, *, patience: float = 2.0, options: str = "") -> AsyncIterator[Line]:
    """Both open, and the store empty."""
    truth = storage_at(url)
    await truth.open()
    await run_sql(truth, EMPTY)
    async with proxied(url) as proxy:
        storage = storage_at(behind(url, proxy.port), patience=patience, options=options)
        try:
            await storage.open()
            yield Line(proxy, storage, truth, url)
        finally:
            await storage.close()
            await truth.close()
