"""The handle: one event loop's door to a store that works in memory and keeps a journal."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Self, TypeVar

from headrace.model.change import Change, Verdict
from headrace.model.errors import AnswerLost, AppClosed, EnqueueUnknown, StoreUnreachable, WrongLoop
from headrace.model.job import Job, NewJob
from headrace.model.mark import Mark
from headrace.model.record import Put
from headrace.storage.contract import Beat, Capabilities, Demand, Holding, Listener, Receipt
from headrace.storage.journal.house import House, Settings
from headrace.storage.journal.keeper import Keeper
from headrace.storage.journal.shelf import FORMAT, Shelf
from headrace.storage.journal.standing import Standing, read_standing
from headrace.storage.memory import applying, claiming, leasing, moving
from headrace.storage.memory.notices import MemoryListener
from headrace.storage.memory.operations import Operations
from headrace.storage.memory.store import Store
from headrace.storage.moving import Row
from headrace.system.clock import Clock
from headrace.system.spawn import Spawn

T = TypeVar("T")


def _never(_keeper: Keeper, _answer: object) -> bool:
    """An interval later is soon enough."""
    return False


def _always(_keeper: Keeper, _answer: object) -> bool:
    """An interval would be too long."""
    return True


class JournaledStorage(Operations):
    """Implements ``contract.Storage``, whose docstrings apply. The process becomes the owner at its first write."""

    def __init__(self, shelf: Callable[[], Shelf], settings: Settings, clock: Clock, spawn: Spawn) -> None:
        self._make, self._settings, self._clock, self._spawn = shelf, settings, clock, spawn
        self._described = shelf()
        self._house: House | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening = asyncio.Lock()
        self._pid = os.getpid()
        self._closed = False

    @property
    def where(self) -> str:
        """Its name, without secrets."""
        return self._described.where

    @property
    def capabilities(self) -> Capabilities:
        return self._described.capabilities

    async def is_there(self) -> bool:
        """Whether there is a store. Opens none, and makes none."""
        async with self._looking() as shelf:
            return await shelf.look() is not None

    async def standing(self) -> Standing | None:
        """What stands there. Opens none, and makes none."""
        async with self._looking() as shelf:
            return await read_standing(shelf, self._clock)

    @asynccontextmanager
    async def _looking(self) -> AsyncIterator[Shelf]:
        shelf = self._make()
        try:
            yield shelf
        finally:
            await shelf.close()

    def sibling(self) -> Self:
        return type(self)(self._make, self._settings, self._clock, self._spawn)

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        if os.getpid() != self._pid or self._loop not in (None, loop):
            raise WrongLoop(f"this handle on {self.where}")
        if self._closed:
            raise AppClosed
        self._loop = loop
        async with self._opening:
            if self._house is not None:
                return
            house = await House.join(self.where, lambda: House(self._make(), self._settings, self._clock, self._spawn))
            try:
                await house.ask(house.check)
            except BaseException:
                await house.leave()
                raise
            self._house = house

    async def close(self) -> None:
        if os.getpid() != self._pid or self._closed:
            return
        self._closed = True
        house, self._house = self._house, None
        if house is not None:
            await house.leave()

    async def migrate(self, *, post: bool = False) -> int:  # noqa: ARG002 - there is no older version
        self._entered()
        return FORMAT

    def _entered(self) -> House:
        if os.getpid() != self._pid:
            raise WrongLoop(f"this handle on {self.where}")
        if asyncio.get_running_loop() is not self._loop:
            raise WrongLoop(f"this handle on {self.where}")
        if self._closed or self._house is None:
            raise AppClosed
        return self._house

    async def _read(self, run: Callable[[Store], T]) -> T:
        """Never of what may still be lost."""
        house = self._entered()
        if house.owned is not None:
            try:
                return await self._write(run, moves=True)
            except AnswerLost as error:
                raise StoreUnreachable(error.where, error.why) from error
        image = await house.ask(house.image)
        with image.store.lock:
            return run(image.store)

    async def _write(
        self,
        run: Callable[[Store], T],
        *,
        moves: bool = False,
        waits: bool = True,
        surely: Callable[[Keeper, T], bool] = _never,
    ) -> T:
        house = self._entered()
        owned = house.owned
        if owned is None:
            owned = await house.ask(house.become_owner)
        store, keeper = owned[0].store, owned[1]
        with store.lock:
            if keeper.failure is not None:
                raise keeper.failure
            if not moves:
                moving.refuse_moved(store)
            answer = run(store)
            ticket = keeper.ticket(surely=surely(keeper, answer)) if waits else None
        if ticket is not None:
            await keeper.kept(ticket, self._settings.patience)
        return answer

    async def insert(self, jobs: Sequence[NewJob], puts: Sequence[Put] = ()) -> Sequence[Receipt[object]]:
        try:
            return await super().insert(jobs, puts)
        except AnswerLost as error:
            raise EnqueueUnknown([new.id for new in jobs], f"{error.where}: {error.why}") from error

    async def claim(self, worker: str, demands: Sequence[Demand]) -> Sequence[Job]:
        """What has a crash behind it is given out once that is written down, and for a while after a kill all is: else
        a job that kills its process at once would be given out for ever, and none of its crashes would be known."""
        return await self._write(
            lambda store: claiming.claim(store, worker, demands),
            surely=lambda keeper, jobs: bool(jobs) and (keeper.is_wary or any(job.crashes for job in jobs)),
        )

    async def apply(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        """What has a crash behind it runs alone, and nothing else begins before its end is written down: else the next
        one's crash would be taken for its own."""
        crashed = False

        def run(store: Store) -> Sequence[Verdict]:
            nonlocal crashed
            crashed = _any_crashed(store, changes)
            return applying.apply(store, changes)

        return await self._write(run, surely=lambda _, __: crashed)

    async def beat(self, worker: str, holding: Sequence[Holding], ttl: float) -> Beat:
        """Waits for no write: the lease ends with this process, whatever the journal says."""
        return await self._write(lambda store: leasing.beat(store, worker, holding, ttl), waits=False)

    async def load(self, rows: Sequence[Row], cursor: str | None) -> int:
        """Kept when it returns: the store that they come from may be given up."""
        return await self._write(lambda store: moving.load(store, rows, cursor), moves=True, surely=_always)

    async def mark(self, mark: Mark | None) -> None:
        """Kept when it returns: two stores that are both free would run the same jobs."""
        await self._write(lambda store: moving.mark(store, mark), moves=True, surely=_always)

    def listen(self, topics: Collection[str]) -> Listener:
        return MemoryListener(self._entered().notices, topics, asyncio.get_running_loop())


def _any_crashed(store: Store, changes: Sequence[Change]) -> bool:
    jobs = store.rows.jobs
    for change in changes:
        job = jobs.get(change.job_id)
        if job is not None and job.crashes:
            return True
    return False
