"""Virtual time: an event loop that jumps to its next timer when nothing is ready, and a Clock and a Spawn on it.

Hours of retries, leases and back-off pass in milliseconds, in the same order at every run. Nothing here waits for
another thread: what runs on such a loop must not either.
"""

import asyncio
import errno
import selectors
from collections.abc import Awaitable, Callable
from typing import TypeVar

from headrace.system.spawn import (
    Companion,
    Ended,
    Hosted,
    Main,
    Order,
    Processes,
    ProgramNotStarted,
    Serve,
    Tell,
    Threads,
    Unanswered,
)

T = TypeVar("T")

_WALL = 1_800_000_000_000
_BOOT = 1_000.0
"""What the loop's time starts at, in seconds."""

_TURN = 1e-7
"""Seconds that one turn of the loop takes: time that stood still could keep a waiting program turning for ever."""


class NothingCanHappen(RuntimeError):
    """Every task waits and there is no timer: in virtual time this would last for ever."""


class _Selector(selectors.DefaultSelector):
    """Reports what is ready; where nothing is, moves the time on instead of waiting."""

    now = _BOOT

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise NothingCanHappen("all tasks wait for each other, or for something outside this loop")
            self.now += max(0.0, timeout)
        self.now += _TURN
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Use it as ``asyncio.Runner(loop_factory=VirtualLoop)``."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._virtual.now


class VirtualClock:
    """The time of the loop it was made on."""

    def __init__(self, wall: int = _WALL) -> None:
        self._loop = asyncio.get_running_loop()
        self._wall = wall

    def wall(self) -> int:
        return self._wall + round((self._loop.time() - _BOOT) * 1000)

    def monotonic(self) -> float:
        return self._loop.time()

    def boot(self) -> int:
        return round(self._loop.time() * 1000)

    def boot_id(self) -> str:
        return "virtual"

    async def sleep(self, seconds: float) -> None:
        woken = self._loop.create_future()
        timer = self._loop.call_later(seconds, _resolve, woken)
        try:
            await woken
        finally:
            timer.cancel()

    def step_wall(self, seconds: float) -> None:
        """Step the wall clock alone; negative steps back."""
        self._wall += round(seconds * 1000)


class VirtualSpawn:
    """Hosts mains as tasks of the running loop, and calls functions at once, where they would run in a thread.

    No program is started: what stands for one is looked up here by its name, the first word of what is to run.
    """

    def __init__(self) -> None:
        self.commands: dict[str, Callable[[Order], Awaitable[Ended]]] = {}
        self.companions: dict[str, Callable[[Order], Awaitable[Companion]]] = {}

    def host(self, name: str, main: Main) -> Hosted:
        return _HostedTask(asyncio.get_running_loop().create_task(main(), name=name))

    def threads(self, name: str) -> Threads:  # noqa: ARG002 - the protocol's
        return _Inline()

    def processes(self, serve: Serve, grace: float) -> Processes:  # noqa: ARG002 - the protocol's
        return _InlineProcess(serve)

    async def command(self, order: Order) -> Ended:
        if order.argv[0] not in self.commands:
            raise _not_found()
        return await self.commands[order.argv[0]](order)

    async def companion(self, order: Order) -> Companion:
        start = self.companions.get(order.argv[0])
        return await start(order) if start is not None else _Missing()


def _not_found() -> ProgramNotStarted:
    return ProgramNotStarted("program", FileNotFoundError(errno.ENOENT, "No such file or directory"))


class _Missing:
    """What comes of starting a companion whose program is not there."""

    is_alive = False

    async def ask(self, line: bytes) -> bytes:  # noqa: ARG002 - the protocol's
        raise Unanswered("it closed its output")

    async def end(self) -> Ended:
        raise _not_found()


class _HostedTask:
    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    async def join(self) -> None:
        await asyncio.shield(self._task)


class _Inline:
    async def run(self, function: Callable[[], T]) -> T:
        return function()

    def close(self) -> None:
        return


class _InlineProcess:
    def __init__(self, serve: Serve) -> None:
        self._serve = serve

    async def run(self, data: bytes, heard: Tell) -> bytes:
        return self._serve(data, heard)

    def close(self) -> None:
        return


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
