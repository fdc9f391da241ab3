"""Handles on a journal, and all that can be asked of them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from shelves import Vault, new_job, storage_on

from headrace.model.change import Change, In, Patch
from headrace.model.record import Put
from headrace.model.state import RUNNING
from headrace.model.timeline import Entry
from headrace.storage.contract import Demand, Filter, Span
from headrace.storage.journal.storage import JournaledStorage

READS: dict[str, Callable[[JournaledStorage], Awaitable[Any]]] = {
    "now": lambda storage: storage.now(),
    "get": lambda storage: storage.get(["1"]),
    "find": lambda storage: storage.find(Filter(), limit=10),
    "count": lambda storage: storage.count(),
    "records": lambda storage: storage.records("kv"),
    "leases": lambda storage: storage.leases(),
    "history": lambda storage: storage.history(Span("minute"), limit=1),
    "next_due": lambda storage: storage.next_due(["q"]),
    "dump": lambda storage: storage.dump(limit=1),
    "marked": lambda storage: storage.marked(),
    "migrate": lambda storage: storage.migrate(),
}
WRITES: dict[str, Callable[[JournaledStorage], Awaitable[Any]]] = {
    "insert": lambda storage: storage.insert([new_job()]),
    "claim": lambda storage: storage.claim("w", [Demand("q", 1)]),
    "beat": lambda storage: storage.beat("w", [], 30),
    "reclaim": lambda storage: storage.reclaim("w", 1),
    "apply": lambda storage: storage.apply([Change("1", In(RUNNING), Patch(cancel_requested=True))]),
    "put": lambda storage: storage.put([Put("kv", "x", "1")]),
    "delete": lambda storage: storage.delete(["1"]),
    "prune": lambda storage: storage.prune({}, 1),
    "record": lambda storage: storage.record([Entry("e", "minute", "q", 1, "{}")]),
    "mark": lambda storage: storage.mark(None),
}


@asynccontextmanager
async def opened(vault: Vault, **options: Any) -> AsyncIterator[JournaledStorage]:
    storage = storage_on(vault, **options)
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


async def ids(storage: JournaledStorage) -> set[str]:
    return {job.id for job in (await storage.find(Filter(), limit=1000)).jobs}


async def insert(storage: JournaledStorage, **fields: Any) -> str:
    (receipt,) = await storage.insert([new_job(**fields)])
    return receipt.id
