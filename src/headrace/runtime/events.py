"""What happened, as records on one bus. Listeners run on a thread of the bus: they can't stall a worker."""

import asyncio
import inspect
import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from headrace.system.spawn import Hosted, Spawn

QUEUED: Final = "queue.job.queued"
STARTED: Final = "queue.job.started"
COMPLETED: Final = "queue.job.completed"
FAILED: Final = "queue.job.failed"
RETRYING: Final = "queue.job.retrying"
DEAD_LETTER: Final = "queue.job.dead_letter"
CANCELLED: Final = "queue.job.cancelled"
SNOOZED: Final = "queue.job.snoozed"
THROTTLED: Final = "queue.job.throttled"
RESCUED: Final = "queue.job.rescued"

EVENTS: Final = frozenset(
    {QUEUED, STARTED, COMPLETED, FAILED, RETRYING, DEAD_LETTER, CANCELLED, SNOOZED, THROTTLED, RESCUED}
)
"""Stable: one may be added, none is renamed or removed."""

_MOST_WAITING = 10_000


class Event(msgspec.Struct, frozen=True):
    """One thing that happened to one job."""

    id: str
    """One of EVENTS."""
    job_id: str
    task: str
    queue: str
    attempt: int
    """The attempt it speaks of, from 1; 0 before the first."""
    worker: str | None
    at: int
    """Milliseconds since 1970 UTC by the machine that tells."""
    seconds: float | None = None
    """How long the attempt ran, where one ended."""
    reason: str | None = None
    """The error's first words, or why."""


Listener = Callable[[Event], Awaitable[None] | None]


class Bus:
    """Carries events to listeners, in order. Where they don't keep up, the oldest waiting events are dropped."""

    def __init__(self, spawn: Spawn, report: Callable[[str, BaseException], None]) -> None:
        self._spawn = spawn
        self._report = report
        self._listeners: dict[str, list[Listener]] = {}
        self._waiting: deque[Event | asyncio.Future[None]] = deque()
        self._hosted: Hosted | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._filled: asyncio.Event | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self.dropped = 0
        """Events lost to slow listeners."""

    def on(self, event_id: str, listener: Listener) -> None:
        """Call ``listener`` for each event of this id."""
        self._listeners.setdefault(event_id, []).append(listener)

    def listeners(self, event_id: str) -> Sequence[Listener]:
        """Who is called for events of this id, in order."""
        return tuple(self._listeners.get(event_id, ()))

    def wants(self, event_id: str) -> bool:
        """Whether anybody listens: an event that nobody wants need not be made."""
        return event_id in self._listeners

    def emit(self, event: Event) -> None:
        """Hand over; never waits, never raises."""
        self._forget_parent()
        if len(self._waiting) >= _MOST_WAITING:
            self._drop_oldest()
        self._waiting.append(event)
        self._ring()

    async def flush(self) -> None:
        """Returns when the listeners have seen all that was emitted so far."""
        self._forget_parent()
        if self._closed or (not self._waiting and self._hosted is None):
            return
        seen = asyncio.get_running_loop().create_future()
        self._waiting.append(seen)
        self._ring()
        await seen

    async def close(self) -> None:
        """Delivers what waits, then ends the bus's thread."""
        await self.flush()
        self._closed = True
        if self._hosted is not None:
            self._ring()
            await self._hosted.join()

    def _drop_oldest(self) -> None:
        oldest = self._waiting.popleft()
        if isinstance(oldest, asyncio.Future):
            _release(oldest)
        else:
            self.dropped += 1

    def _ring(self) -> None:
        self._forget_parent()
        with self._lock:
            if self._hosted is None and not self._closed:
                try:
                    self._hosted = self._spawn.host("headrace-events", self._deliver)
                except RuntimeError as error:  # no thread is to be had: the next event tries again
                    self._report("events", error)
                return
        if self._loop is not None and self._filled is not None:
            try:
                self._loop.call_soon_threadsafe(self._filled.set)
            except RuntimeError:
                return  # the interpreter is going down and the loop is closed

    def _forget_parent(self) -> None:
        """A fork takes no threads along: what waits in the parent is told there."""
        if self._pid != os.getpid():
            self._pid, self._lock, self._waiting = os.getpid(), threading.Lock(), deque()
            self._hosted = self._loop = self._filled = None

    async def _deliver(self) -> None:
        self._filled = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        while not self._closed or self._waiting:
            self._filled.clear()
            while self._waiting:
                await self._tell(self._waiting.popleft())
            if not self._closed:
                await self._filled.wait()

    async def _tell(self, event: Event | asyncio.Future[None]) -> None:
        if isinstance(event, asyncio.Future):
            _release(event)
            return
        for listener in self._listeners.get(event.id, ()):
            try:
                answer = listener(event)
                if inspect.isawaitable(answer):
                    await answer
            except BaseException as error:
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise  # our own end, and none of the listener's doing
                self._report(f"listener of {event.id}", error)


def _release(future: asyncio.Future[None]) -> None:
    try:
        future.get_loop().call_soon_threadsafe(_resolve, future)
    except RuntimeError:
        return  # the loop that waited is closed: nobody is left to tell


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
