"""The only place that starts threads and processes. Everything above takes a Spawn; the simulation replaces it."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Main = Callable[[], Coroutine[Any, Any, None]]


class Hosted(Protocol):
    """An async main that runs somewhere else."""

    async def join(self) -> None:
        """Returns when it has ended; raises what it raised."""
        ...


class Threads(Protocol):
    """Runs sync functions beside the loop."""

    async def run(self, function: Callable[[], T]) -> T:
        """Calls ``function`` in a thread. Cancelling the wait doesn't stop it: nothing can stop a thread."""
        ...

    def close(self) -> None:
        """Starts nothing more; idle threads end, busy ones end when they return."""
        ...


class ProcessDied(Exception):
    """The process that ran a function ended before the function did."""


Serve = Callable[[bytes], bytes]
"""What a child process does with what it is sent. A function of a module: it is found there by its name."""


class Processes(Protocol):
    """Runs one function in processes that can be killed."""

    async def run(self, data: bytes) -> bytes:
        """The function's answer to ``data``, from a child; ProcessDied where that died. A cancelled wait returns when
        the child is dead."""
        ...

    def close(self) -> None:
        """Kills what still runs."""
        ...


class Spawn(Protocol):
    """Threads and processes, as an argument."""

    def host(self, name: str, main: Main) -> Hosted:
        """Runs ``main`` on an event loop of its own, in a thread of its own."""
        ...

    def threads(self, name: str) -> Threads:
        """A pool that grows to as many threads as run at once."""
        ...

    def processes(self, serve: Serve, grace: float) -> Processes:
        """A pool of children that run ``serve``; a cancelled one has ``grace`` seconds before it is killed."""
        ...


def start_thread(name: str, run: Callable[[], None]) -> threading.Thread:
    """A daemon thread: it never keeps the program from ending."""
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


class SystemSpawn:
    """Real threads."""

    def host(self, name: str, main: Main) -> Hosted:
        return _HostedThread(name, main)

    def threads(self, name: str) -> Threads:
        return _ThreadPool(name)

    def processes(self, serve: Serve, grace: float) -> Processes:
        from headrace.system.children import ChildPool

        return ChildPool(serve, grace, self.threads("headrace-process"))


class _HostedThread:
    def __init__(self, name: str, main: Main) -> None:
        self._main = main
        self._error: BaseException | None = None
        self._ended = threading.Event()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._lock = threading.Lock()
        start_thread(name, self._run)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self._error = error
        with self._lock:
            self._ended.set()
            waiters, self._waiters = self._waiters, []
        for loop, future in waiters:
            _resolve_from_thread(loop, future, None, None)

    async def join(self) -> None:
        loop = asyncio.get_running_loop()
        with self._lock:
            if not self._ended.is_set():
                future: asyncio.Future[None] = loop.create_future()
                self._waiters.append((loop, future))
            else:
                future = loop.create_future()
                future.set_result(None)
        await future
        if self._error is not None:
            raise self._error


class _ThreadPool:
    """Daemon threads, each serving one call at a time; an idle one is used again, last in first out."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._idle: list[_Lane] = []
        self._made = 0
        self._closed = False

    async def run(self, function: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._lock:
            if self._idle:
                lane = self._idle.pop()
            else:
                self._made += 1
                lane = _Lane(f"{self._name}-{self._made}", self._give_back)
        lane.send(lambda: _call(loop, future, function))
        return await future

    def _give_back(self, lane: "_Lane") -> bool:
        with self._lock:
            if not self._closed:
                self._idle.append(lane)
            return not self._closed

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for lane in idle:
            lane.send(None)


class _Lane:
    def __init__(self, name: str, give_back: "Callable[[_Lane], bool]") -> None:
        self._work: deque[Callable[[], None] | None] = deque()
        self._ready = threading.Semaphore(0)
        self._give_back = give_back
        start_thread(name, self._serve)

    def send(self, work: Callable[[], None] | None) -> None:
        self._work.append(work)
        self._ready.release()

    def _serve(self) -> None:
        while True:
            self._ready.acquire()
            work = self._work.popleft()
            if work is None:
                return
            work()
            if not self._give_back(self):
                return


def _call(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[T]", function: Callable[[], T]) -> None:
    try:
        value = function()
    except BaseException as error:
        _resolve_from_thread(loop, future, None, error)
    else:
        _resolve_from_thread(loop, future, value, None)


def _resolve_from_thread(
    loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]", value: object, error: BaseException | None
) -> None:
    def resolve() -> None:
        if future.done():
            return
        if error is None:
            future.set_result(value)
        elif isinstance(error, StopIteration):
            future.set_exception(RuntimeError("the function raised StopIteration"))
        else:
            future.set_exception(error)

    try:
        loop.call_soon_threadsafe(resolve)
    except RuntimeError:
        return  # the loop that waited is closed: nobody is left to tell
