"""What a store in memory is asked, whoever owns it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from headrace.model.change import Change, Verdict
from headrace.model.job import Job, NewJob
from headrace.model.mark import Mark
from headrace.model.record import Put, Record
from headrace.model.state import FINAL, WAITING, State
from headrace.model.timeline import Entry
from headrace.storage.contract import Beat, Demand, Entries, Filter, Holding, Keep, Page, Receipt, Span
from headrace.storage.memory import applying, claiming, finding, inserting, leasing, moving, pruning
from headrace.storage.memory.store import Store
from headrace.storage.moving import Row, Rows

T = TypeVar("T")


class Operations(ABC):
    """The operations of ``contract.Storage``, whose docstrings apply, as functions of a store."""

    @abstractmethod
    async def _read(self, run: Callable[[Store], T]) -> T:
        """What it answers, under the store's lock."""

    @abstractmethod
    async def _write(self, run: Callable[[Store], T], *, moves: bool = False) -> T:
        """The same for what may change something. ``moves``: what a mark does not stop."""

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

    async def dump(self, *, limit: int, after: str | None = None) -> Rows:
        return await self._read(lambda store: moving.dump(store, limit, after))

    async def load(self, rows: Sequence[Row], cursor: str | None) -> int:
        return await self._write(lambda store: moving.load(store, rows, cursor), moves=True)

    async def mark(self, mark: Mark | None) -> None:
        await self._write(lambda store: moving.mark(store, mark), moves=True)

    async def marked(self) -> Mark | None:
        return await self._read(moving.marked)

    async def next_due(self, queues: Collection[str]) -> float | None:
        return await self._read(lambda store: finding.next_due(store, queues))
