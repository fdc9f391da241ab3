"""An event loop in virtual time whose callbacks belong to processes, which can be killed and held.

Every process has one strand for each event loop that it would have. Callbacks of one strand run in the order in which
they were scheduled, as asyncio promises; which strand goes next is drawn. A callback belongs to the strand in whose
context it was scheduled, so a task stays in the strand that it was begun in, and so does all that it starts.
"""

import asyncio
import heapq
from asyncio import Handle, TimerHandle
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVarTuple

from headrace.system.ids import Entropy
from headrace.testing.clock import NothingCanHappen

Ts = TypeVarTuple("Ts")

_TURN = 2e-6
"""Seconds that one callback takes: time that stood still could keep a waiting program turning for ever."""
_BOOT = 1_000.0


class Strand:
    """What one thread of a process would do, in order."""

    __slots__ = ("alive", "calls", "held", "is_ready", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.held = False
        self.is_ready = False
        """It stands in the loop's list of strands that may go on."""
        self.calls: deque[_Callback] = deque()


STRAND: ContextVar[Strand] = ContextVar("STRAND")


class _Callback(TimerHandle):
    """What asyncio expects of a handle, without what it costs."""

    __slots__ = ()

    def __init__(  # the base class asks the loop whether it debugs, for each of them
        self, when: float, callback: Callable[..., object], args: Any, loop: "SimulationLoop", context: Context
    ) -> None:
        self._callback, self._args, self._loop, self._context = callback, args, loop, context
        self._cancelled, self._repr, self._when, self._scheduled = False, None, when, False

    def perform(self) -> None:
        """Call it, where it belongs."""
        self._context.run(self._callback, *self._args)

    def cancel(self) -> None:
        self._cancelled = True
        self._callback = self._args = None  # type: ignore[assignment]


class SimulationLoop(asyncio.BaseEventLoop):
    """It waits for nothing outside. Not for ``asyncio.Runner``, which would have the killed clean up."""

    def __init__(self, entropy: Entropy) -> None:
        super().__init__()
        self._entropy = entropy
        self._now = _BOOT
        self._main = Strand("main")
        self._able: list[Strand] = []
        self._timers: list[tuple[float, int, _Callback, Strand]] = []
        self._timer_count = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self.failures: list[BaseException] = []
        """What callbacks raised and nobody took."""
        self.turns = 0
        self.set_exception_handler(self._take_failure)
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._now

    # --- what asyncio asks for ---------------------------------------------------------------------------------------

    def call_soon(self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None) -> Handle:
        context = copy_context() if context is None else context
        handle = _Callback(0.0, callback, args, self, context)
        self._add(context.get(STRAND, self._main), handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Handle:
        return self.call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> TimerHandle:
        context = copy_context() if context is None else context
        handle = _Callback(when, callback, args, self, context)
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, handle, context.get(STRAND, self._main)))
        return handle

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _make_task(
        self, _: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], context: Context | None = None
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, context=context)
        self._tasks.append(task)
        if len(self._tasks) > 10_000:
            self._tasks = [task for task in self._tasks if not task.done()]
        return task

    def _process_events(self, _: object) -> None:
        return

    def _write_to_self(self) -> None:
        return

    def _take_failure(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.failures.append(context.get("exception") or RuntimeError(context["message"]))

    # --- turning -----------------------------------------------------------------------------------------------------

    def _add(self, strand: Strand, handle: _Callback) -> None:
        strand.calls.append(handle)
        if not strand.is_ready and strand.alive and not strand.held:
            strand.is_ready = True
            self._able.append(strand)

    def _run_once(self) -> None:
        able, timers, entropy = self._able, self._timers, self._entropy
        while not self._stopping:  # type: ignore[attr-defined]
            if not able:
                self._now = max(self._now, self._next_timer())
            while timers and timers[0][0] <= self._now:
                _, _, timer, strand = heapq.heappop(timers)
                if not timer._cancelled and strand.alive:  # noqa: SLF001 - ours
                    self._add(strand, timer)
            if not able:
                continue
            chosen = int(entropy() * len(able)) if len(able) > 1 else 0
            strand = able[chosen]
            calls = strand.calls
            handle = calls.popleft()
            if not calls:
                self._rest(chosen)
            if not handle._cancelled:  # noqa: SLF001 - ours
                self.turns += 1
                self._now += _TURN
                try:
                    handle.perform()
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:
                    self.failures.append(error)

    def _next_timer(self) -> float:
        timers = self._timers
        while timers and (timers[0][2].cancelled() or not timers[0][3].alive):
            heapq.heappop(timers)
        if not timers:
            raise NothingCanHappen("all tasks wait for each other")
        return timers[0][0]

    def _rest(self, place: int) -> None:
        able = self._able
        able[place].is_ready = False
        last = able.pop()
        if place < len(able):
            able[place] = last

    # --- what happens to processes -----------------------------------------------------------------------------------

    def kill(self, strand: Strand) -> None:
        """None of its callbacks runs any more, and no cleaning up is done: as with kill -9."""
        strand.alive = False
        self._withdraw(strand)
        strand.calls.clear()

    def hold(self, strand: Strand) -> None:
        """It stands still, as with SIGSTOP. What comes for it meanwhile waits."""
        strand.held = True
        self._withdraw(strand)

    def go_on(self, strand: Strand) -> None:
        """It is held no longer."""
        strand.held = False
        if strand.calls and strand.alive and not strand.is_ready:
            strand.is_ready = True
            self._able.append(strand)

    def _withdraw(self, strand: Strand) -> None:
        if strand.is_ready:
            self._rest(self._able.index(strand))

    def bury(self) -> None:
        """Let go of all tasks that will never end, without a word from them."""
        self.run_until_complete(self._bury())  # inside the loop: what they do to clean up may begin other tasks

    async def _bury(self) -> None:
        own = asyncio.current_task()
        while self._tasks:
            task = self._tasks.pop()
            if task is not own and not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - nobody is to be told
                _close(task.get_coro())


_MOST_WAITS = 1_000


def _close(coroutine: Any) -> None:
    """As often as it takes: each time it may come to wait again, in what it does to clean up."""
    for _ in range(_MOST_WAITS):
        try:
            coroutine.close()
        except RuntimeError:
            continue
        except BaseException:
            return
        return
