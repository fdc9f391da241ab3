"""Threads that never keep the program from ending."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from headrace.system.spawn import Main

T = TypeVar("T")


def start_thread(name: str, run: Callable[[], None]) -> threading.Thread:
    """A daemon thread: it never keeps the program from ending."""
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


class HostedThread:
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


class ThreadPool:
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
