"""A storage on which chosen calls fail: before they do anything, or after, so that only their answer is lost."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Self, TypeVar

import msgspec

from headrace.model.change import Change, Verdict
from headrace.model.job import Job, NewJob
from headrace.model.mark import Mark
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
    Storage,
)
from headrace.storage.moving import Row, Rows

T = TypeVar("T")


class Fault(msgspec.Struct, frozen=True):
    """What a call meets."""

    error: Callable[[], Exception]
    """Makes what it raises."""
    applied: bool = False
    """Whether the store has done what it was asked for: only the answer is lost."""


class Faults:
    """Which calls fail. One for a storage and all its siblings; calls of all of them are counted together, from 1."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        """The operations called so far, by name."""
        self.met: list[str] = []
        """Those of them that failed."""
        self._by_number: dict[int, Fault] = {}
        self._by_name: dict[str, list[Fault]] = {}

    def fail_call(self, number: int, fault: Fault) -> None:
        """The call of this number fails."""
        self._by_number[number] = fault

    def fail_next(self, operation: str, *faults: Fault) -> None:
        """The next calls of this operation fail, one for each fault."""
        self._by_name.setdefault(operation, []).extend(faults)

    def clear(self) -> None:
        """Nothing fails any more."""
        self._by_number.clear()
        self._by_name.clear()

    def take(self, operation: str) -> Fault | None:
        """Counts a call, and says what it meets."""
        self.calls.append(operation)
        fault = self._by_number.pop(len(self.calls), None)
        if fault is None and self._by_name.get(operation):
            fault = self._by_name[operation].pop(0)
        if fault is not None:
            self.met.append(operation)
        return fault


class FailingStorage:
    """Any storage, and the faults that its calls meet. ``close`` never fails and is not counted, nor are ``listen`` and
    ``sibling``, which ask nothing of a store."""

    def __init__(self, inner: Storage, faults: Faults) -> None:
        self._inner, self.faults = inner, faults

    async def _call(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        fault = self.faults.take(operation)
        if fault is None:
            return await call()
        if fault.applied:
            await call()
        raise fault.error()

    @property
    def capabilities(self) -> Capabilities:
        return self._inner.capabilities

    async def open(self) -> None:
        await self._call("open", self._inner.open)

    async def close(self) -> None:
        await self._inner.close()

    async def migrate(self, *, post: bool = False) -> int:
        return await self._call("migrate", lambda: self._inner.migrate(post=post))

    def sibling(self) -> Self:
        return type(self)(self._inner.sibling(), self.faults)

    async def now(self) -> int:
        return await self._call("now", self._inner.now)

    async def insert(self, jobs: Sequence[NewJob], puts: Sequence[Put] = ()) -> Sequence[Receipt[object]]:
        return await self._call("insert", lambda: self._inner.insert(jobs, puts))

    async def claim(self, worker: str, demands: Sequence[Demand]) -> Sequence[Job]:
        return await self._call("claim", lambda: self._inner.claim(worker, demands))

    async def beat(self, worker: str, holding: Sequence[Holding], ttl: float) -> Beat:
        return await self._call("beat", lambda: self._inner.beat(worker, holding, ttl))

    async def leases(self) -> Mapping[str, float]:
        return await self._call("leases", self._inner.leases)

    async def reclaim(self, worker: str, limit: int, queues: Collection[str] | None = None) -> Sequence[Job]:
        return await self._call("reclaim", lambda: self._inner.reclaim(worker, limit, queues))

    async def apply(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        return await self._call("apply", lambda: self._inner.apply(changes))

    async def put(self, puts: Sequence[Put]) -> Sequence[bool]:
        return await self._call("put", lambda: self._inner.put(puts))

    async def records(
        self, kind: str, *, names: Collection[str] | None = None, after: str | None = None, limit: int | None = None
    ) -> Sequence[Record]:
        return await self._call("records", lambda: self._inner.records(kind, names=names, after=after, limit=limit))

    async def get(self, ids: Sequence[str]) -> Sequence[Job | None]:
        return await self._call("get", lambda: self._inner.get(ids))

    async def find(self, where: Filter, *, limit: int, after: str | None = None) -> Page:
        return await self._call("find", lambda: self._inner.find(where, limit=limit, after=after))

    async def count(self) -> Mapping[tuple[str, State], int]:
        return await self._call("count", self._inner.count)

    async def delete(self, ids: Sequence[str], states: Collection[State] = WAITING | FINAL) -> Sequence[Verdict]:
        return await self._call("delete", lambda: self._inner.delete(ids, states))

    async def prune(
        self,
        keep: Mapping[State, Keep],
        limit: int,
        *,
        of_queues: Mapping[str, Mapping[State, Keep]] = {},
        entries: Mapping[str, float] = {},
    ) -> int:
        return await self._call("prune", lambda: self._inner.prune(keep, limit, of_queues=of_queues, entries=entries))

    async def record(self, entries: Sequence[Entry]) -> None:
        await self._call("record", lambda: self._inner.record(entries))

    async def history(self, where: Span, *, limit: int, after: str | None = None) -> Entries:
        return await self._call("history", lambda: self._inner.history(where, limit=limit, after=after))

    async def dump(self, *, limit: int, after: str | None = None) -> Rows:
        return await self._call("dump", lambda: self._inner.dump(limit=limit, after=after))

    async def load(self, rows: Sequence[Row], cursor: str | None) -> int:
        return await self._call("load", lambda: self._inner.load(rows, cursor))

    async def mark(self, mark: Mark | None) -> None:
        return await self._call("mark", lambda: self._inner.mark(mark))

    async def marked(self) -> Mark | None:
        return await self._call("marked", self._inner.marked)

    async def next_due(self, queues: Collection[str]) -> float | None:
        return await self._call("next_due", lambda: self._inner.next_due(queues))

    def listen(self, topics: Collection[str]) -> Listener:
        return self._inner.listen(topics)
