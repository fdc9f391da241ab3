"""Loops that stand still between two drives, on one time that moves only where it is told to, or where nothing else
can happen.

While a handler waits for anything but a sleep, a real answer may come from outside: a database's, a thread's. Time
then runs no faster than on a wall clock, but for gaps of more than a second.
"""

import asyncio
import selectors
import threading
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

from headrace.runtime.attempt import Attempt, running
from headrace.testing.clock import NothingCanHappen

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_BEGIN = 1_000.0
"""Seconds that monotonic clocks begin with."""
_TURN = 1e-7
"""Seconds that one turn of a loop takes: a program that turns until some moment gets there."""
_PATIENCE = 1.0
"""The most real seconds that are waited for something outside before time jumps to the next timer."""
_LONGEST_WAIT = 60.0
"""Real seconds that are waited for something outside where there is no timer."""
_SLEEPS = frozenset({"_set_result_unless_cancelled", "_resolve"})
"""What asyncio and our clocks call at the end of a sleep."""


class Time:
    """One for all clocks and loops of a test."""

    def __init__(self, wall: int) -> None:
        self.now = _BEGIN
        self._wall = wall
        """Milliseconds since 1970 UTC at the beginning."""

    def wall(self) -> int:
        """Milliseconds since 1970 UTC."""
        return self._wall + round((self.now - _BEGIN) * 1000)

    def move_to(self, wall: int) -> None:
        """Move on to this instant; never back."""
        self.now = max(self.now, _BEGIN + (wall - self._wall) / 1000)


class TestClock:
    """Tells the time of a test. To sleep is the business of the loop one is on."""

    __test__ = False

    def __init__(self, time: Time) -> None:
        self._time = time

    def wall(self) -> int:
        return self._time.wall()

    def monotonic(self) -> float:
        return self._time.now

    def boot(self) -> int:
        return round(self._time.now * 1000)

    def boot_id(self) -> str:
        return "test"

    async def sleep(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        timer = loop.call_later(seconds, _resolve, woken)
        try:
            await woken
        finally:
            timer.cancel()


class _Selector(selectors.DefaultSelector):
    """Where nothing is ready it says so; where that changes nothing, it moves the time on instead of waiting."""

    def __init__(self, time: Time, patience: Callable[[], float]) -> None:
        super().__init__()
        self._time, self._patience = time, patience
        self.quiet: asyncio.Future[None] | None = None
        """Told when nothing is ready."""
        self.moves_first = False
        """Whether time shall move before that, unless something happens without it."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._time.now += _TURN
        ready = super().select(0)
        if ready or timeout == 0:
            self.moves_first = False
            return ready
        if self.quiet is not None and not self.moves_first:
            _resolve(self.quiet)
            self.quiet = None
            return []
        self.moves_first = False
        patience = self._patience()
        if timeout is None:
            ready = super().select(_LONGEST_WAIT) if patience else []
            if not ready:
                raise NothingCanHappen("all tasks wait for each other, or for something outside this loop")
            return ready
        if patience:
            ready = super().select(min(patience, timeout))
        if not ready:
            self._time.now += timeout
        return ready


class DriveLoop(asyncio.SelectorEventLoop):
    """Runs what a drive runs."""

    def __init__(self, time: Time) -> None:
        self._times = time
        self._quiet_selector = _Selector(time, self._patience)
        self._sleeps: defaultdict[Attempt, list[asyncio.TimerHandle]] = defaultdict(list)
        self.under_way: set[Attempt] = set()
        """Attempts whose handlers have begun here and not ended."""
        self._is_patient = False
        super().__init__(self._quiet_selector)

    def time(self) -> float:
        """Seconds of the test's time."""
        return self._times.now

    @contextmanager
    def patient(self, on: bool) -> Iterator[None]:
        """Whether something outside is waited for in here though no handler is under way."""
        before, self._is_patient = self._is_patient, on
        try:
            yield
        finally:
            self._is_patient = before

    async def quiet(self, *, later: bool = False) -> None:
        """Returns when nothing is ready to run; with ``later`` something must happen first, or time move on."""
        told = self._quiet_selector.quiet = self.create_future()
        self._quiet_selector.moves_first = later
        await told

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Notes who sleeps."""
        timer = super().call_at(when, callback, *args, context=context)
        attempt = running.get(None)
        if attempt is not None and getattr(callback, "__name__", "") in _SLEEPS:
            alive = [one for one in self._sleeps[attempt] if self._is_alive(one)]
            self._sleeps[attempt] = [*alive, timer]
        return timer

    def _is_alive(self, timer: asyncio.TimerHandle) -> bool:
        return not timer.cancelled() and timer.when() > self.time()

    def _patience(self) -> float:
        """Real seconds to wait for something outside: none where every handler sleeps."""
        for attempt in [attempt for attempt in self._sleeps if attempt not in self.under_way]:
            del self._sleeps[attempt]
        if not self.under_way:
            return _PATIENCE if self._is_patient else 0.0
        asleep = all(any(map(self._is_alive, self._sleeps.get(attempt, ()))) for attempt in self.under_way)
        return 0.0 if asleep else _PATIENCE


class Driver:
    """Runs coroutines to their end, on the thread that asks; also inside a call that another such run makes."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self._local = threading.local()
        self._lock = threading.Lock()
        self._loops: list[DriveLoop] = []

    def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``make()`` gives. No loop may be running on this thread."""
        free: list[DriveLoop] = self._local.__dict__.setdefault("free", [])
        loop = free.pop() if free else self._open()
        try:
            return loop.run_until_complete(make())
        finally:
            free.append(loop)

    def close(self) -> None:
        """End whatever is left on its loops."""
        for loop in self._loops:
            if not loop.is_closed() and not loop.is_running():
                with loop.patient(True):
                    _end(loop)
                loop.close()

    def _open(self) -> DriveLoop:
        loop = DriveLoop(self._time)
        with self._lock:
            self._loops.append(loop)
        return loop


def _end(loop: DriveLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=_LONGEST_WAIT))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
