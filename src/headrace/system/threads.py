"""Threads that never keep the program from ending."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from headrace.system.event_loop import run_to_its_end
from headrace.system.spawn import Main, NotStarted

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
        self._begun, looked = False, threading.Event()
        self._look = looked.set
        start_thread(name, self._run)
        looked.wait()
        if not self._begun:
            raise NotStarted(f"no event loop is to be had: {self._error}") from self._error

    def _begin(self) -> None:
        self._begun = True
        self._look()

    def _run(self) -> None:
        try:
            run_to_its_end(self._main(), self._begin)
        except BaseException as error:
            self._error = error
        self._look()
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
            (self._idle.pop() if self._idle else self._make_lane()).send(_Call(loop, future, function))
        return await future

    def _make_lane(self) -> "_Lane":
        self._made += 1
        try:
            return _Lane(f"{self._name}-{self._made}", self._give_back, self._forget)
        except RuntimeError as error:
            raise NotStarted(f"no thread is to be had: {error}") from error

    def _give_back(self, lane: "_Lane") -> bool:
        with self._lock:
            if not self._closed:
                self._idle.append(lane)
            return not self._closed

    def _forget(self, lane: "_Lane") -> None:
        """It ended, and is sent nothing from now on."""
        with self._lock:
            if lane in self._idle:
                self._idle.remove(lane)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for lane in idle:
            lane.send(None)


class _Call:
    """A function for a thread, and who waits for it where."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]", function: Callable[[], object]
    ) -> None:
        self._loop, self._future, self._function = loop, future, function

    def run(self) -> None:
        try:
            value = self._function()
        except BaseException as error:
            self.fail(error)
        else:
            _resolve_from_thread(self._loop, self._future, value, None)

    def fail(self, error: BaseException) -> None:
        _resolve_from_thread(self._loop, self._future, None, error)


class _Lane:
    def __init__(self, name: str, give_back: "Callable[[_Lane], bool]", forget: "Callable[[_Lane], None]") -> None:
        self._calls: deque[_Call | None] = deque()
        self._ready = threading.Semaphore(0)
        self._give_back, self._forget = give_back, forget
        self._running: _Call | None = None
        start_thread(name, self._serve)

    def send(self, call: _Call | None) -> None:
        self._calls.append(call)
        self._ready.release()

    def _serve(self) -> None:
        """What one thread throws into another may come at any moment: who waits is told even so."""
        try:
            while self._serve_next():
                continue
        except BaseException as stray:
            self._forget(self)
            for call in (self._running, *self._calls):
                if call is not None:
                    call.fail(stray)

    def _serve_next(self) -> bool:
        self._ready.acquire()
        self._running = self._calls.popleft()
        if self._running is None:
            return False
        self._running.run()
        self._running = None
        return self._give_back(self)


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
