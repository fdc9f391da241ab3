"""The operations of the contract, each taken through its steps."""

from collections.abc import Collection, Mapping, Sequence
from itertools import count

from headrace.model.change import APPLIED, Change, Verdict
from headrace.model.errors import AnswerLost, EnqueueUnknown, StoreBusy, StoreError
from headrace.model.job import Job, NewJob
from headrace.model.mark import Mark
from headrace.model.record import Put, Record
from headrace.model.state import FINAL, WAITING, State
from headrace.model.timeline import Entry
from headrace.storage.contract import (
    Beat,
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
from headrace.storage.moving import Row, Rows
from headrace.storage.postgres import (
    applying,
    claiming,
    finding,
    inserting,
    leasing,
    moving,
    pruning,
    records,
    timeline,
)
from headrace.storage.postgres.handle import Handle
from headrace.storage.postgres.listening import PostgresListener

_GIVING_WAY = 0.3
"""Seconds between two tries for all tables, in which others go on."""


class PostgresStorage(Handle):
    """Keeps jobs in a schema of a Postgres database. Implements ``contract.Storage``, whose docstrings apply."""

    async def now(self) -> int:
        return await self._read(inserting.now)

    async def insert(self, jobs: Sequence[NewJob], puts: Sequence[Put] = ()) -> Sequence[Receipt[object]]:
        try:
            if inserting.fits_one_statement(jobs, puts):
                tries = count()
                return await self._insist(
                    lambda told: inserting.insert_plain(told, jobs, fresh=not next(tries)), atomic=False, once=False
                )
            return await self._insist(lambda told: inserting.insert(told, jobs, puts), atomic=True, once=bool(puts))
        except AnswerLost as error:
            raise EnqueueUnknown([new.id for new in jobs], f"{error.where}: {error.why}") from error

    async def claim(self, worker: str, demands: Sequence[Demand]) -> Sequence[Job]:
        if not demands:
            return []
        now = self._clock.monotonic()
        whole = all(self._front.is_whole(demand.queue, now) for demand in demands)
        found = await self._claim_at_once(worker, demands, now)
        if not found and not whole:  # nothing behind the front that we knew: then look ahead of it
            found = await self._claim_at_once(worker, demands, now)
        if isinstance(found, list):
            return found
        return await self._transact(lambda told: claiming.claim_slowly(told, worker, demands, found))

    async def _claim_at_once(self, worker: str, demands: Sequence[Demand], now: float) -> list[Job] | claiming.Slow:
        return await self._write(lambda told: claiming.claim(told, worker, demands, self._front, now))

    async def beat(self, worker: str, holding: Sequence[Holding], ttl: float) -> Beat:
        return await self._transact(lambda told: leasing.beat(told, worker, holding, ttl))

    async def leases(self) -> Mapping[str, float]:
        return await self._read(leasing.leases)

    async def reclaim(self, worker: str, limit: int, queues: Collection[str] | None = None) -> Sequence[Job]:
        if not await self._read(lambda told: leasing.is_reclaim_wanted(told, worker)):
            return []
        return await self._transact(lambda told: leasing.reclaim(told, worker, limit, queues))

    async def apply(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        finish = applying.common_finish(changes)
        if finish is None:
            return await self._transact(lambda told: applying.apply(told, changes))
        done = await self._write(lambda told: applying.complete(told, changes, finish))
        if len(done) == len(changes):
            return [APPLIED] * len(changes)
        # Left out is also whose row somebody changed while that statement waited for it: it sees the old one only.
        left = [change for change in changes if change.job_id not in done]
        try:
            verdicts = await self._transact(lambda told: applying.apply(told, left))
        except StoreError as error:
            if done:
                raise AnswerLost(self._settings.where, str(error)) from error
            raise
        done |= {change.job_id: verdict for change, verdict in zip(left, verdicts, strict=True)}
        return [done[change.job_id] for change in changes]

    async def put(self, puts: Sequence[Put]) -> Sequence[bool]:
        return await self._transact(lambda told: records.put(told, puts))

    async def records(
        self, kind: str, *, names: Collection[str] | None = None, after: str | None = None, limit: int | None = None
    ) -> Sequence[Record]:
        return await self._read(lambda told: records.list_records(told, kind, names, after, limit))

    async def get(self, ids: Sequence[str]) -> Sequence[Job | None]:
        return await self._read(lambda _: finding.get(ids))

    async def find(self, where: Filter, *, limit: int, after: str | None = None) -> Page:
        return await self._read(lambda _: finding.find(where, limit, after))

    async def count(self) -> Mapping[tuple[str, State], int]:
        return await self._transact(lambda _: finding.count())

    async def delete(self, ids: Sequence[str], states: Collection[State] = WAITING | FINAL) -> Sequence[Verdict]:
        return await self._transact(lambda _: pruning.delete(ids, states))

    async def prune(
        self,
        keep: Mapping[State, Keep],
        limit: int,
        *,
        of_queues: Mapping[str, Mapping[State, Keep]] = {},
        entries: Mapping[str, float] = {},
    ) -> int:
        return await self._transact(lambda told: pruning.prune(told, keep, limit, of_queues, entries))

    async def record(self, entries: Sequence[Entry]) -> None:
        await self._write(lambda _: timeline.record(entries))

    async def history(self, where: Span, *, limit: int, after: str | None = None) -> Entries:
        return await self._read(lambda _: timeline.history(where, limit, after))

    async def dump(self, *, limit: int, after: str | None = None) -> Rows:
        return await self._read(lambda told: moving.dump(told, limit, after))

    async def load(self, rows: Sequence[Row], cursor: str | None) -> int:
        return await self._transact(lambda told: moving.load(told, self._settings.where, rows, cursor))

    async def mark(self, mark: Mark | None) -> None:
        ends_at = self._clock.monotonic() + self._patience
        while True:
            try:
                return await self._transact(lambda _: moving.mark(self._settings.where, mark))
            except StoreBusy:
                if self._clock.monotonic() >= ends_at:
                    raise
                await self._clock.sleep(_GIVING_WAY)

    async def marked(self) -> Mark | None:
        return await self._read(lambda _: moving.marked())

    async def next_due(self, queues: Collection[str]) -> float | None:
        return await self._read(lambda told: finding.next_due(told, queues))

    def listen(self, topics: Collection[str]) -> Listener:
        self._entered()
        return PostgresListener(self._hub, topics)
