"""The handle: one event loop's door to the store."""

import asyncio
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Self, TypeVar

from headrace.model.change import Change, Verdict
from headrace.model.errors import AppClosed, WrongLoop
from headrace.model.job import Job, NewJob
from headrace.model.record import Put, Record
from headrace.model.state import FINAL, WAITING, State
from headrace.model.timeline import Entry
from headrace.storage.contract import (
    Beat,
    Capabilities,
    Demand,
    Entries,
    Filter,
    Holding,
    Keep,
    Listener,
    Page,
    Receipt,
    Span,
)
from headrace.storage.memory import applying, claiming, finding, inserting, leasing, pruning
from headrace.storage.memory.notices import MemoryListener
from headrace.storage.memory.store import Store
from headrace.system.clock import Clock, SystemClock

T = TypeVar("T")

_CAPABILITIES = Capabilities(
    name="memory",
    processes="one",
    durable=False,
    promise="An acknowledged job survives any failure of a handler, and nothing that ends the process.",
)


class MemoryStorage:
    """Keeps jobs in this process's memory. Implements ``contract.Storage``, whose docstrings apply."""

    def __init__(self, clock: Clock | None = None, *, store: Store | None = None) -> None:
        self._store = Store(clock or SystemClock()) if store is None else store
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        if self._store.pid != os.getpid() or self._loop not in (None, loop):
            raise WrongLoop("this memory storage")
        self._loop, self._closed = loop, False

    async def close(self) -> None:
        self._closed = True

    async def migrate(self, *, post: bool = False) -> int:  # noqa: ARG002 - there is no older version
        return 1

    def sibling(self) -> Self:
        return type(self)(store=self._store)

    def _entered(self) -> Store:
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:  # a fork took this coroutine along, but not its loop
            here = None
        if here is None or here is not self._loop:
            raise WrongLoop("this memory storage")
        if self._closed:
            raise AppClosed
        return self._store

    async def _read(self, run: Callable[[Store], T]) -> T:
        store = self._entered()
        with store.lock:
            return run(store)

    async def _write(self, run: Callable[[Store], T]) -> T:
        store = self._entered()
        with store.lock:
            return run(store)

    async def now(self) -> int:
        return await self._read(lambda store: store.now())

    async def insert(self, jobs: Sequence[NewJob], puts: Sequence[Put] = ()) -> Sequence[Receipt[object]]:
        return await self._write(lambda store: inserting.insert(store, jobs, puts))

    async def claim(self, worker: str, demands: Sequence[Demand]) -> Sequence[Job]:
        return await self._write(lambda store: claiming.claim(store, worker, demands))

    async def beat(self, worker: str, holding: Sequence[Holding], ttl: float) -> Beat:
        return await self._write(lambda store: leasing.beat(store, worker, holding, ttl))

    async def leases(self) -> Mapping[str, float]:
        return await self._read(lambda store: leasing.leases(store))

    async def reclaim(self, worker: str, limit: int, queues: Collection[str] | None = None) -> Sequence[Job]:
        return await self._write(lambda store: leasing.reclaim(store, worker, limit, queues))

    async def apply(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        return await self._write(lambda store: applying.apply(store, changes))

    async def put(self, puts: Sequence[Put]) -> Sequence[bool]:
        return await self._write(lambda store: store.put(puts))

    async def records(
        self, kind: str, *, names: Collection[str] | None = None, after: str | None = None, limit: int | None = None
    ) -> Sequence[Record]:
        return await self._read(lambda store: store.records.of_kind(kind, store.boot_now(), names, after, limit))

    async def get(self, ids: Sequence[str]) -> Sequence[Job | None]:
        return await self._read(lambda store: [store.rows.jobs.get(job_id) for job_id in ids])

    async def find(self, where: Filter, *, limit: int, after: str | None = None) -> Page:
        return await self._read(lambda store: finding.find(store, where, limit, after))

    async def count(self) -> Mapping[tuple[str, State], int]:
        return await self._read(lambda store: finding.count(store))

    async def delete(self, ids: Sequence[str], states: Collection[State] = WAITING | FINAL) -> Sequence[Verdict]:
        return await self._write(lambda store: pruning.delete(store, ids, states))

    async def prune(
        self,
        keep: Mapping[State, Keep],
        limit: int,
        *,
        of_queues: Mapping[str, Mapping[State, Keep]] = {},
        entries: Mapping[str, float] = {},
    ) -> int:
        return await self._write(lambda store: pruning.prune(store, keep, limit, of_queues, entries))

    async def record(self, entries: Sequence[Entry]) -> None:
        await self._write(lambda store: store.timeline.record(entries))

    async def history(self, where: Span, *, limit: int, after: str | None = None) -> Entries:
        return await self._read(lambda store: store.timeline.read(where, limit, after))

    async def next_due(self, queues: Collection[str]) -> float | None:
        return await self._read(lambda store: finding.next_due(store, queues))

    def listen(self, topics: Collection[str]) -> Listener:
        store = self._entered()
        return MemoryListener(store.notices, topics, asyncio.get_running_loop())
