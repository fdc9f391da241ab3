"""A storage that writes down who was given which job, and which writes were let through: as its callers saw it.

What a call did happened at some instant between its begin and its end. A lease is noted as shorter than it was, a job
as held for a shorter time than it was: so what looks like two holders at one instant is that. A process that is killed
in a call leaves no note of it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Self

import msgspec

from headrace.interface.app import Headrace
from headrace.model.change import Change, Held, Status, Verdict
from headrace.model.job import Job, NewJob
from headrace.model.mark import Mark
from headrace.model.rate import Bucket
from headrace.model.record import LIMIT, Put, Record
from headrace.model.state import State
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
from headrace.testing.chaos.ledger import Ledger
from headrace.testing.history.records import Bought, Granted, Leased, Settled


class Recorded:
    """Passes everything on, and writes down what workers are told."""

    def __init__(self, storage: Storage, ledger: Ledger) -> None:
        self._storage, self._ledger = storage, ledger
        self._granted: dict[tuple[str, int], int] = {}
        """By limit and version: the permits that a bucket had granted by then."""

    # --- what is written down ----------------------------------------------------------------------------------------

    async def claim(self, worker: str, demands: Sequence[Demand]) -> Sequence[Job]:
        jobs = await self._storage.claim(worker, demands)
        self._note_grants(worker, jobs, rescued=False)
        return jobs

    async def reclaim(self, worker: str, limit: int, queues: Collection[str] | None = None) -> Sequence[Job]:
        jobs = await self._storage.reclaim(worker, limit, queues)
        self._note_grants(worker, jobs, rescued=True)
        return jobs

    def _note_grants(self, worker: str, jobs: Sequence[Job], *, rescued: bool) -> None:
        for job in jobs:
            self._ledger.write(
                lambda at, process, job=job: Granted(  # type: ignore[misc]
                    at=at,
                    process=process,
                    worker=worker,
                    job=job.id,
                    queue=job.queue,
                    priority=job.priority,
                    due_at=job.due_at,
                    generation=job.generation,
                    attempt=job.attempt,
                    crashes=job.crashes,
                    rescued=rescued,
                    started_at=job.started_at,
                )
            )

    async def beat(self, worker: str, holding: Sequence[Holding], ttl: float) -> Beat:
        since = self._ledger.now()
        beat = await self._storage.beat(worker, holding, ttl)
        until = since + round(ttl * 1000)
        self._ledger.write(
            lambda at, process: Leased(at=at if ttl else since, process=process, worker=worker, until=until)
        )
        return beat

    async def apply(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        since = self._ledger.now()
        verdicts = await self._storage.apply(changes)
        for change, verdict in zip(changes, verdicts, strict=True):
            if isinstance(change.guard, Held):
                self._note_settled(change, change.guard, verdict, since)
        return verdicts

    def _note_settled(self, change: Change, guard: Held, verdict: Verdict, since: int) -> None:
        patch = change.patch
        self._ledger.write(
            lambda at, process: Settled(
                at=since,
                answered_at=at,
                process=process,
                worker=guard.worker,
                job=change.job_id,
                generation=guard.generation,
                state=patch.state,
                applied=verdict.status is Status.APPLIED,
                reason=patch.reason,
                result=patch.result,
                delay=patch.delay,
                then=[job.id for job in change.then],
            )
        )

    async def put(self, puts: Sequence[Put]) -> Sequence[bool]:
        done = await self._storage.put(puts)
        for put, was_done in zip(puts, done, strict=True):
            if put.kind == LIMIT and was_done and isinstance(put.expect, int) and put.value is not None:
                self._note_bought(put.name, put.expect, msgspec.json.decode(put.value, type=Bucket))
        return done

    def _note_bought(self, name: str, version: int, bucket: Bucket) -> None:
        before = self._granted.get((name, version))
        if before is not None and bucket.granted != before:
            number = bucket.granted - before
            self._ledger.write(lambda _, process: Bought(at=bucket.at, process=process, limit=name, number=number))

    async def records(
        self, kind: str, *, names: Collection[str] | None = None, after: str | None = None, limit: int | None = None
    ) -> Sequence[Record]:
        found = await self._storage.records(kind, names=names, after=after, limit=limit)
        if kind == LIMIT:
            for record in found:
                self._granted[record.name, record.version] = msgspec.json.decode(record.value, type=Bucket).granted
        return found

    # --- what is passed on -------------------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        return self._storage.capabilities

    def sibling(self) -> Self:
        return type(self)(self._storage.sibling(), self._ledger)

    async def open(self) -> None:
        await self._storage.open()

    async def close(self) -> None:
        await self._storage.close()

    async def migrate(self, *, post: bool = False) -> int:
        return await self._storage.migrate(post=post)

    async def now(self) -> int:
        return await self._storage.now()

    async def insert(self, jobs: Sequence[NewJob], puts: Sequence[Put] = ()) -> Sequence[Receipt[object]]:
        return await self._storage.insert(jobs, puts)

    async def leases(self) -> Mapping[str, float]:
        return await self._storage.leases()

    async def get(self, ids: Sequence[str]) -> Sequence[Job | None]:
        return await self._storage.get(ids)

    async def find(self, where: Filter, *, limit: int, after: str | None = None) -> Page:
        return await self._storage.find(where, limit=limit, after=after)

    async def count(self) -> Mapping[tuple[str, State], int]:
        return await self._storage.count()

    async def delete(self, ids: Sequence[str], states: Collection[State] | None = None) -> Sequence[Verdict]:
        return await (self._storage.delete(ids) if states is None else self._storage.delete(ids, states))

    async def prune(
        self,
        keep: Mapping[State, Keep],
        limit: int,
        *,
        of_queues: Mapping[str, Mapping[State, Keep]] = {},
        entries: Mapping[str, float] = {},
    ) -> int:
        return await self._storage.prune(keep, limit, of_queues=of_queues, entries=entries)

    async def record(self, entries: Sequence[Entry]) -> None:
        await self._storage.record(entries)

    async def history(self, where: Span, *, limit: int, after: str | None = None) -> Entries:
        return await self._storage.history(where, limit=limit, after=after)

    async def dump(self, *, limit: int, after: str | None = None) -> Rows:
        return await self._storage.dump(limit=limit, after=after)

    async def load(self, rows: Sequence[Row], cursor: str | None) -> int:
        return await self._storage.load(rows, cursor)

    async def mark(self, mark: Mark | None) -> None:
        await self._storage.mark(mark)

    async def marked(self) -> Mark | None:
        return await self._storage.marked()

    async def next_due(self, queues: Collection[str]) -> float | None:
        return await self._storage.next_due(queues)

    def listen(self, topics: Collection[str]) -> Listener:
        return self._storage.listen(topics)


class RecordedApp(Headrace):
    """An app whose storages write down what they say."""

    _ledger: Ledger | None = None

    def record_in(self, ledger: Ledger) -> None:
        """From now on: to be called before the first use."""
        self._ledger = ledger

    def _make_storage(self) -> Storage:
        storage = super()._make_storage()
        return storage if self._ledger is None else Recorded(storage, self._ledger)
