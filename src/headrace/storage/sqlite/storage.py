"""The operations of the contract, each handed to the thread that does it."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from headrace.model.change import Change, Verdict
from headrace.model.errors import AnswerLost, AppClosed, EnqueueUnknown
from headrace.model.job import Job, NewJob
from headrace.model.mark import Mark
from headrace.model.record import Put, Record
from headrace.model.state import FINAL, WAITING, State
from headrace.model.timeline import Entry
from headrace.storage.contract import (
    AsyncEnlisted,
    Beat,
    Demand,
    Enlisted,
    Entries,
    Filter,
    Holding,
    Keep,
    Listener,
    Page,
    Receipt,
    Span,
)
from headrace.storage.moving import Row, Rows
from headrace.storage.sqlite import applying, claiming, finding, inserting, leasing, moving, pruning, records, timeline
from headrace.storage.sqlite.enlisting import within
from headrace.storage.sqlite.handle import Handle
from headrace.storage.sqlite.listening import SqliteListener


class SqliteStorage(Handle):
    """Keeps jobs in one file. Implements ``contract.Storage`` and ``contract.Enlisting``, whose docstrings apply."""

    async def now(self) -> int:
        self._entered()
        return self._moment().now

    async def insert(self, jobs: Sequence[NewJob], puts: Sequence[Put] = ()) -> Sequence[Receipt[object]]:
        writing = self._write(partial(inserting.insert, jobs=jobs, puts=puts), len(jobs) + len(puts))
        if self._hub is not None:
            # Before the commit: a claim that this brings from our own loop is served right behind it.
            self._hub.hear({f"queue:{new.queue}" for new in jobs})
        try:
            return await writing
        except AnswerLost as error:
            raise EnqueueUnknown([new.id for new in jobs], f"{error.where}: {error.__cause__}") from error

    async def claim(self, worker: str, demands: Sequence[Demand]) -> Sequence[Job]:
        idle = partial(claiming.nothing_to_claim, worker=worker, demands=demands)
        run = partial(claiming.claim, worker=worker, demands=demands)
        return await self._write_unless(idle, list[Job](), run, sum([demand.limit for demand in demands]))

    async def beat(self, worker: str, holding: Sequence[Holding], ttl: float) -> Beat:
        return await self._write(partial(leasing.beat, worker=worker, holding=holding, ttl=ttl), 1)

    async def leases(self) -> Mapping[str, float]:
        return await self._read(leasing.leases)

    async def reclaim(self, worker: str, limit: int, queues: Collection[str] | None = None) -> Sequence[Job]:
        idle = partial(leasing.nothing_to_reclaim, worker=worker)
        run = partial(leasing.reclaim, worker=worker, limit=limit, queues=queues)
        return await self._write_unless(idle, list[Job](), run, limit)

    async def apply(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        return await self._write(partial(applying.apply, changes=changes), len(changes))

    async def put(self, puts: Sequence[Put]) -> Sequence[bool]:
        return await self._write(partial(records.put, puts=puts), len(puts))

    async def records(
        self, kind: str, *, names: Collection[str] | None = None, after: str | None = None, limit: int | None = None
    ) -> Sequence[Record]:
        return await self._read(partial(records.list_records, kind=kind, names=names, after=after, limit=limit))

    async def get(self, ids: Sequence[str]) -> Sequence[Job | None]:
        return await self._read(partial(finding.get, ids=ids))

    async def find(self, where: Filter, *, limit: int, after: str | None = None) -> Page:
        return await self._read(partial(finding.find, where=where, limit=limit, after=after))

    async def count(self) -> Mapping[tuple[str, State], int]:
        return await self._read(finding.count)

    async def delete(self, ids: Sequence[str], states: Collection[State] = WAITING | FINAL) -> Sequence[Verdict]:
        return await self._write(partial(pruning.delete, ids=ids, states=states), len(ids))

    async def prune(
        self,
        keep: Mapping[State, Keep],
        limit: int,
        *,
        of_queues: Mapping[str, Mapping[State, Keep]] = {},
        entries: Mapping[str, float] = {},
    ) -> int:
        run = partial(pruning.prune, keep=keep, limit=limit, of_queues=of_queues, entries=entries)
        return await self._write(run, limit, reads_counts=True)

    async def record(self, entries: Sequence[Entry]) -> None:
        await self._write(partial(timeline.record, entries=entries), len(entries))

    async def history(self, where: Span, *, limit: int, after: str | None = None) -> Entries:
        return await self._read(partial(timeline.history, where=where, limit=limit, after=after))

    async def dump(self, *, limit: int, after: str | None = None) -> Rows:
        return await self._read(partial(moving.dump, limit=limit, after=after))

    async def load(self, rows: Sequence[Row], cursor: str | None) -> int:
        return await self._write(partial(moving.load, where=self._path, rows=rows, cursor=cursor), len(rows))

    async def mark(self, mark: Mark | None) -> None:
        await self._write(partial(moving.mark, where=self._path, wanted=mark), 1)

    async def marked(self) -> Mark | None:
        return await self._read(moving.marked)

    async def next_due(self, queues: Collection[str]) -> float | None:
        return await self._read(partial(finding.next_due, queues=queues))

    def listen(self, topics: Collection[str]) -> Listener:
        self._entered()
        if self._hub is None:
            raise AppClosed
        return SqliteListener(self._hub, topics)

    def within(self, session: object) -> Enlisted | AsyncEnlisted:
        return within(self._path, self._moment, session)
