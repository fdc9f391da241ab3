"""The program that is recorded: it uses a store, and says through a file what it was promised, before it goes on."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from headrace.model import lifecycle
from headrace.model.change import Status
from headrace.model.errors import EnqueueUnknown, StoreError
from headrace.model.job import Job, NewJob
from headrace.model.outcome import Failure, Raised, Returned
from headrace.model.record import KV, Put
from headrace.model.retry import RetryPolicy
from headrace.storage.contract import Demand
from headrace.storage.sqlite import SqliteStorage, checkpoint, writer
from headrace.storage.sqlite.connecting import connect_writer
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids
from headrace.testing.dice import Dice
from headrace.testing.powercut.promises import COUNT, Kind

T = TypeVar("T")

_PRODUCERS = 3
_CHECKPOINT = 400_000
"""Bytes after which the -wal is started again: a run of hours meets many such moments, and this one is short."""
_SESSIONS = 3
_POLICY = RetryPolicy(max_attempts=2, base=0.0, jitter=0)
_WORKER = "worker"


class Workload:
    """One session: open, work, close."""

    def __init__(self, storage: SqliteStorage, channel: int, dice: Dice) -> None:
        self._storage, self._channel, self._dice = storage, channel, dice
        self._ids = Ids(SystemClock())
        self._finished: list[str] = []
        self._producing = 0

    def say(self, kind: Kind, *words: object) -> None:
        """Somebody hears this now, and relies on it."""
        os.write(self._channel, f"{kind} {' '.join(str(word) for word in words)}\n".encode())

    async def run(self, rounds: int) -> None:
        await _until_answered(self._storage.open)
        await _until_answered(lambda: self._storage.beat(_WORKER, (), 3600))
        self._producing = _PRODUCERS
        producers = [self._produce(self._dice.of(f"producer {number}"), rounds) for number in range(_PRODUCERS)]
        await asyncio.gather(*producers, self._work(self._dice.of("worker")), self._keep(self._dice.of("keeper")))
        await self._storage.close()

    async def _produce(self, dice: Dice, rounds: int) -> None:
        for _ in range(rounds):
            filling = "x" * dice.whole(0, 3000)
            jobs = [self._new(filling) for _ in range(dice.whole(1, 4))]
            ids = [new.id for new in jobs]
            if dice.chance(0.1):
                await self._be_refused(jobs)
                continue
            self.say(Kind.INSERTING, *ids)
            try:
                await self._storage.insert(jobs)
            except EnqueueUnknown:
                continue
            except StoreError:
                self.say(Kind.REFUSED, *ids)
                continue
            self.say(Kind.INSERTED, *ids)
        self._producing -= 1

    def _new(self, filling: str) -> NewJob:
        return NewJob(id=self._ids.new(), task="t", queue="q", payload=f'"{filling}"')

    async def _be_refused(self, jobs: Sequence[NewJob]) -> None:
        try:
            await self._storage.insert(jobs, [Put(KV, "never", "1", 77)])
        except StoreError:
            self.say(Kind.REFUSED, *[new.id for new in jobs])

    async def _work(self, dice: Dice) -> None:
        while jobs := await self._claim(dice) or self._producing:
            if not isinstance(jobs, int):
                await self._settle(jobs, dice)

    async def _claim(self, dice: Dice) -> Sequence[Job]:
        try:
            jobs = await self._storage.claim(_WORKER, [Demand("q", dice.whole(1, 8))])
        except StoreError:
            return ()
        if jobs:
            self.say(Kind.CLAIMED, *[f"{job.id}:{job.generation}" for job in jobs])
        return jobs

    async def _settle(self, jobs: Sequence[Job], dice: Dice) -> None:
        failed = Raised(Failure("ValueError", "no"))
        changes = [
            lifecycle.settle(job, failed if dice.chance(0.1) else Returned(b'"done"'), _POLICY, 0.5) for job in jobs
        ]
        states = [f"{change.job_id}:{change.patch.state}" for change in changes]
        self.say(Kind.SETTLING, *states)
        verdicts = await _until_answered(lambda: self._storage.apply(changes))
        assert all(verdict.status is Status.APPLIED for verdict in verdicts)
        self.say(Kind.SETTLED, *states)
        self._finished += [change.job_id for change in changes if change.patch.state != "retrying"]

    async def _keep(self, dice: Dice) -> None:
        """Records written again and again, and finished jobs removed."""
        found = await self._storage.records(KV, names=[COUNT])
        number = found[0].version if found else 0
        while self._producing:
            number += 1
            self.say(Kind.PUTTING, number)
            value = str(number)
            await _until_answered(lambda: self._storage.put([Put(KV, COUNT, value)]))  # noqa: B023 - awaited here
            self.say(Kind.PUT, number)
            if len(self._finished) > 5 and dice.chance(0.3):
                gone, self._finished = self._finished[:3], self._finished[3:]
                self.say(Kind.DELETING, *gone)
                await _until_answered(lambda: self._storage.delete(gone))  # noqa: B023 - awaited here
                self.say(Kind.DELETED, *gone)


async def _until_answered(call: Callable[[], Awaitable[T]]) -> T:
    """Again and again: with failing syncs a store refuses now and then."""
    while True:
        try:
            return await call()
        except StoreError:
            continue


def main(path: str, channel: str, seed: str, rounds: int, durability: str) -> None:
    """Three sessions on one file. ``off`` and ``haunted`` are no durability that a store offers: what is wrong then
    shows that it is seen. The one syncs nothing, the other leaves commits in the -wal whose sync failed."""
    checkpoint._LARGE = _CHECKPOINT  # noqa: SLF001 - from outside: no option of a store
    if durability == "off":
        vars(writer)["connect_writer"] = _careless
    elif durability == "haunted":
        vars(writer)["leaves_a_trace"] = lambda _: False
    descriptor = os.open(channel, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for session in range(_SESSIONS):
        storage = SqliteStorage(path, durability="normal" if durability in ("normal", "off") else "full")
        asyncio.run(Workload(storage, descriptor, Dice(f"{seed}/{session}")).run(rounds))


def _careless(path: str, *, durable: bool) -> sqlite3.Connection:
    connection = connect_writer(path, durable=durable)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
