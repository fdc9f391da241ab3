"""A shelf in memory that goes wrong as it is told, and storages on it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from headrace.model.errors import CorruptStore, StoreError, StoreUnreachable
from headrace.model.job import NewJob
from headrace.model.ownership import Owner
from headrace.storage.contract import Capabilities
from headrace.storage.journal.changes import unpack
from headrace.storage.journal.house import Settings
from headrace.storage.journal.shelf import Fenced, Head, belongs_to
from headrace.storage.journal.storage import JournaledStorage
from headrace.storage.survival import Survival
from headrace.system.clock import Clock, SystemClock
from headrace.system.ids import Ids
from headrace.system.machine import SystemSpawn

IDS = Ids(SystemClock())
ELSEWHERE = Owner("theirs", "elsewhere", "another boot", 77, 1, 1_000_000_000_000, 1_000_000_000_000, 30.0)
"""An owner on another machine, who was last seen in 2001."""


def new_job(**fields: Any) -> NewJob:
    """A job of queue ``q``."""
    defaults: dict[str, Any] = {"id": IDS.new(), "task": "t", "queue": "q", "payload": "{}"}
    return NewJob(**(defaults | fields))


class Signal:
    """An event between threads, waited for in any loop."""

    def __init__(self) -> None:
        self._lock, self._is_set = threading.Lock(), False
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    def set(self) -> None:
        with self._lock:
            self._is_set = True
            waiters, self._waiters = self._waiters, []
        for loop, future in waiters:
            loop.call_soon_threadsafe(lambda future=future: future.done() or future.set_result(None))

    async def wait(self) -> None:
        with self._lock:
            if self._is_set:
                return
            loop = asyncio.get_running_loop()
            future: asyncio.Future[None] = loop.create_future()
            self._waiters.append((loop, future))
        async with asyncio.timeout(20):
            await future


class Hold:
    """Writes wait here."""

    def __init__(self) -> None:
        self.reached, self.over = Signal(), Signal()


class Vault:
    """What all processes see of one journal."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self.entries: dict[int, bytes] = {}
        self.writes: list[Head] = []
        """The head of each write that was done."""
        self.looks = 0
        self.errors: list[StoreError] = []
        """Raised by the next writes, one by one, which are not done."""
        self.lost = 0
        """So many of the next writes are done, and not answered."""
        self.away: StoreError | None = None
        """Raised by every call."""
        self.hold: Hold | None = None
        self.hold_of_looks: Hold | None = None
        self.tried = Signal()
        """A write was begun."""
        self._done = Signal()
        self.closed = 0

    async def until(self, condition: Callable[[], bool]) -> None:
        """Looks after every write."""
        while True:
            done = self._done
            if condition():
                return
            await done.wait()

    def tell(self) -> None:
        """A write was done."""
        done, self._done = self._done, Signal()
        done.set()

    def held(self) -> Hold:
        """From now on, until it is over, writes wait."""
        self.hold = Hold()
        return self.hold

    def go_away(self, why: str = "no way there") -> None:
        self.away, self.tried = StoreUnreachable("there", why), Signal()

    def come_back(self) -> None:
        self.away = None

    def take_over(self, owner: Owner = ELSEWHERE) -> None:
        """Another process becomes the owner, whatever stands there."""
        assert self.head is not None
        self.head = Head(1, self.head.first, self.head.next, owner)

    @property
    def jobs(self) -> set[str]:
        """Ids of all jobs that are in the journal."""
        found: dict[str, object] = {}
        for number in sorted(self.entries):
            found |= unpack(self.entries[number]).jobs
        return {job_id for job_id, job in found.items() if job is not None}


class PlayedShelf:
    """Implements ``journal.Shelf``. One process's door to a vault."""

    def __init__(self, vault: Vault, where: str = "there") -> None:
        self.vault, self._where = vault, where
        self._owner: Owner | None = None

    @property
    def where(self) -> str:
        return self._where

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("played", "one", Survival(acknowledged="there"))

    async def look(self) -> Head | None:
        self.vault.looks += 1
        if self.vault.hold_of_looks is not None:
            self.vault.hold_of_looks.reached.set()
            await self.vault.hold_of_looks.over.wait()
        self._arrive()
        return self.vault.head

    async def read(self) -> AsyncIterator[tuple[int, bytes]]:
        self._arrive()
        head = self.vault.head
        assert head is not None
        if sorted(self.vault.entries) != list(range(head.first, head.next)):
            raise CorruptStore(self.where, "not all are there")
        for number in sorted(self.vault.entries):
            yield number, self.vault.entries[number]

    async def take(self, seen: Head | None, head: Head) -> bool:
        self._arrive()
        if self.vault.head not in (seen, head):
            return False
        self.vault.head = head
        self._owner = head.owner
        return True

    async def write(self, entries: Sequence[tuple[int, bytes]], head: Head) -> None:
        self.vault.tried.set()
        if self.vault.hold is not None:
            hold = self.vault.hold
            hold.reached.set()
            await hold.over.wait()
            if self.vault.hold is hold:
                self.vault.hold = None
        self._arrive()
        if self.vault.errors:
            raise self.vault.errors.pop(0)
        there = self.vault.head
        if there != head and not belongs_to(there, self._owner):
            raise Fenced(self.where)
        self._do(entries, head)
        if self.vault.lost:
            self.vault.lost -= 1
            raise StoreUnreachable(self.where, "the answer was lost")

    def _do(self, entries: Sequence[tuple[int, bytes]], head: Head) -> None:
        self.vault.entries |= dict(entries)
        self.vault.entries = {number: data for number, data in self.vault.entries.items() if number >= head.first}
        self.vault.head = head
        self.vault.writes.append(head)
        self.vault.tell()

    async def close(self) -> None:
        self.vault.closed += 1

    def _arrive(self) -> None:
        if self.vault.away is not None:
            raise self.vault.away


Make = Callable[..., JournaledStorage]


def storage_on(
    vault: Vault,
    *,
    where: str = "there",
    interval: float | None = None,
    lease: float = 30.0,
    takeover: bool = False,
    patience: float = 5.0,
    clock: Clock | None = None,
) -> JournaledStorage:
    """A handle, not opened yet."""
    settings = Settings(interval, lease, takeover, patience)
    return JournaledStorage(lambda: PlayedShelf(vault, where), settings, clock or SystemClock(), SystemSpawn())
