"""Writes what has changed to the shelf, in one step for all that wait."""

import asyncio
import threading
from collections import defaultdict, deque
from contextlib import suppress
from math import inf
from typing import NamedTuple

import msgspec

from headrace.model.errors import (
    AnswerLost,
    NotPermitted,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreTaken,
    StoreUnreachable,
)
from headrace.storage.journal.changes import Changes, Noted, pack, split
from headrace.storage.journal.ledger import Ledger
from headrace.storage.journal.shelf import Fenced, Head, Shelf, belongs_to, owned_by
from headrace.system.clock import Clock

_PASSING = (StoreUnreachable, StoreBusy, StoreFull, StoreReadOnly, NotPermitted)
"""What may be mended while we wait. Whoever waits too is told after a while."""
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
"""Seconds between two tries to reach the shelf."""
_LONGEST_GRACE, _CALM = 16.0, 60.0
"""Seconds for becoming the owner, and after which one more who tries that is not the same again."""


class _Waiter(NamedTuple):
    ticket: int
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[None]"


class Keeper:
    """Lives on one event loop, for as long as its process owns the shelf. ``ticket`` and ``kept`` are for others."""

    def __init__(
        self,
        shelf: Shelf,
        noted: Noted,
        lock: threading.Lock,
        ledger: Ledger,
        head: Head,
        *,
        interval: float | None,
        wary: float = 0.0,
        clock: Clock,
    ) -> None:
        self._shelf, self._noted, self._lock, self._ledger, self._head = shelf, noted, lock, ledger, head
        self._clock = clock
        self._interval = interval
        """Seconds for which what was acknowledged may be unwritten; None: not at all."""
        self._wary_until = clock.monotonic() + wary
        self._grace, self._went_on_at = _LONGEST_PAUSE, -inf
        """Seconds left to whoever may be on its way to become the owner; when the last one had not become it."""
        self._kept_at = clock.monotonic()
        """What was to be seen then is kept."""
        self._begun = self._done = 0
        """Numbers of writes: the last that was begun, and the last that was done."""
        self._waiters: deque[_Waiter] = deque()
        self._waiting = threading.Lock()
        self._woken = False
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._writing = 0
        """Rows that are in no entry yet, and are being written."""
        self.failure: StoreError | None = None
        """Why nothing is written any more."""
        self._trouble: StoreError | None = None
        """What went wrong with the write that is being tried again."""

    # --- for those who change something: in any thread ---------------------------------------------------------------

    @property
    def is_wary(self) -> bool:
        """Whether what is given out now may be what has just killed a process."""
        return self._clock.monotonic() < self._wary_until

    def ticket(self, *, surely: bool = False) -> int | None:
        """Under the store's lock: the number of the write that keeps all that is to be seen now; None: that need not be
        waited for. ``surely``: it must be, whatever the interval."""
        if not surely and self._interval is not None and self._clock.monotonic() - self._kept_at < self._interval:
            return None
        needed = self._begun + 1 if self._noted.has_changed() else self._begun
        return needed if needed > self._done else None

    async def kept(self, ticket: int, patience: float) -> None:
        """Returns once that write is done. AnswerLost where that takes longer than ``patience`` seconds."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._waiting:
            if self.failure is not None:
                raise self.failure
            if ticket <= self._done:
                return
            self._waiters.append(_Waiter(ticket, loop, future))
            wakes, self._woken = not self._woken, True
        if wakes:
            with suppress(RuntimeError):  # the loop is closed: its owner has been told
                self._loop.call_soon_threadsafe(self._wake.set)
        try:
            async with asyncio.timeout(patience):
                await future
        except TimeoutError:
            if future.cancelled():
                raise self._unanswered(f"it was not written within {patience:g} s") from None
            future.result()  # the answer was there before: a handler had kept the loop from turning

    # --- on its own loop ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until ``stop``, or until nothing can be written any more."""
        try:
            while self._head.owner is not None:
                if not self._stopping:
                    await self._rest()
                await self._keep()
        except Fenced:
            self._fail(await self._successor())
        except StoreError as error:
            self._fail(error)
        except BaseException as error:
            self._fail(StoreUnreachable(self._shelf.where, f"what writes to it ended: {error!r}"))
            raise

    def stop(self) -> None:
        """Write what there is, and leave."""
        self._stopping = True
        self._wake.set()

    def unwritten(self, patience: float) -> StoreError:
        """What is said where there is no more time for it."""
        with self._lock:
            rows = self._writing + sum(len(table.changed) for table in self._noted.all)
        return self._unanswered(f"it was left with {rows} changed rows that were not written within {patience:g} s")

    def _unanswered(self, why: str) -> AnswerLost:
        trouble = "" if self._trouble is None else f": {self._trouble}"
        return AnswerLost(self._shelf.where, f"{why}{trouble.replace('; nothing was changed', '')}")

    async def _successor(self) -> StoreError:
        """Who has the shelf now. Nothing is done about it: two that take it from each other would lose it for ever."""
        try:
            head = await self._shelf.look()
        except StoreError as error:
            return StoreTaken(self._shelf.where, f" (which one can't be seen: {error})")
        if head is None or head.owner is None:
            return StoreTaken(self._shelf.where, ", which has left since")
        return owned_by(self._shelf.where, head.owner)

    async def _rest(self) -> None:
        """Until somebody waits, or for as long as nothing is due. A write is begun when half of the interval is over:
        the other half is for doing it."""
        owner = self._head.owner
        longest = 10.0 if owner is None else owner.lease / 3
        if self._interval is not None:
            longest = max(0.0, self._kept_at + self._interval / 2 - self._clock.monotonic())
        with suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self._wake.wait()
        self._wake.clear()
        self._woken = False

    async def _keep(self) -> None:
        """One write of all that has changed; or a sign of life, where that is due. The last one leaves the store to
        whoever comes."""
        upto = self._ledger.carry(self._noted, self._lock)
        begun_at = self._clock.monotonic()
        with self._lock:
            changes = self._noted.take()
            self._begun += 1
        self._ledger.spare(changes)
        if changes or self._stopping or self._renewal_is_due():
            await self._write(changes, upto)
        self._kept_at = begun_at
        self._settle(self._begun)

    def _renewal_is_due(self) -> bool:
        owner = self._head.owner
        return owner is None or self._clock.wall() - owner.seen >= owner.lease * 1000 / 4

    async def _write(self, changes: Changes, upto: int | None) -> None:
        self._writing = len(changes)
        parts = list(enumerate(split(changes), self._head.next))
        head = self._next_head(len(parts), upto)
        await self._insist([(number, pack(part)) for number, part in parts], head)
        self._head, self._writing = head, 0
        for number, part in parts:
            self._ledger.add(number, part)
        self._ledger.drop(head.first)

    def _next_head(self, parts: int, upto: int | None) -> Head:
        owner = None if self._stopping else self._head.owner
        return msgspec.structs.replace(
            self._head,
            first=self._head.first if upto is None else upto,
            next=self._head.next + parts,
            owner=None if owner is None else msgspec.structs.replace(owner, seen=self._clock.wall()),
        )

    async def _insist(self, entries: list[tuple[int, bytes]], head: Head) -> None:
        """Until it is done: what has changed in memory can't be taken back."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._shelf.write(entries, head)
            except _PASSING as error:
                self._trouble = error
            except Fenced as error:
                self._trouble = error
                await self._give_way(error)
                continue
            else:
                self._trouble = None
                return
            await self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _give_way(self, fenced: Fenced) -> None:
        """Raises it where another process is the owner, or becomes it now. One that has only looked, and found us
        here, fences us too on some shelves: the next write goes on there. It throws out whoever was on its way, who
        then comes again, and is left more time: else each would keep the other from it."""
        begun = self._clock.monotonic()
        is_again = begun - self._went_on_at < _CALM
        self._grace = min(2 * self._grace, _LONGEST_GRACE) if is_again else _LONGEST_PAUSE
        while True:
            head: Head | None = self._head
            with suppress(StoreError):
                head = await self._shelf.look()
            if not belongs_to(head, self._head.owner):
                raise fenced
            self._went_on_at = self._clock.monotonic()
            left = begun + self._grace - self._went_on_at
            if left <= 0:
                return
            await self._clock.sleep(min(left, _LONGEST_PAUSE))

    def _settle(self, done: int) -> None:
        with self._waiting:
            self._done = done
            ready: defaultdict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = defaultdict(list)
            while self._waiters and self._waiters[0].ticket <= done:
                waiter = self._waiters.popleft()
                ready[waiter.loop].append(waiter.future)
        for loop, futures in ready.items():
            _tell(loop, futures, None)

    def _fail(self, error: StoreError) -> None:
        with self._waiting:
            self.failure = error
            waiters, self._waiters = list(self._waiters), deque()
        # What was being written may have been: an earlier try of it, whose answer was lost.
        doubt = AnswerLost(self._shelf.where, str(error))
        for waiter in waiters:
            _tell(waiter.loop, [waiter.future], doubt if waiter.ticket <= self._begun else error)


def _tell(loop: asyncio.AbstractEventLoop, futures: list["asyncio.Future[None]"], error: StoreError | None) -> None:
    with suppress(RuntimeError):  # closed: nobody is left who waits
        loop.call_soon_threadsafe(_resolve, futures, error)


def _resolve(futures: list["asyncio.Future[None]"], error: StoreError | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
