"""How sync code reaches the async core: one event loop on a thread of its own, for each process."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from headrace.model.errors import AppClosed, StoreUnreachable, UseAsync
from headrace.system.spawn import NotStarted, Spawn

T = TypeVar("T")


class Portal:
    """Starts its loop at the first call; after a fork the child starts one of its own."""

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._pid = os.getpid()
        self._closed = False

    def call(self, name: str, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``await make()`` gives. UseAsync where that would block this thread's own loop; AppClosed while the
        interpreter goes down, when no other thread answers any more."""
        refuse_running_loop(name)
        if sys.is_finalizing():
            raise AppClosed
        loop = self._running_loop()
        future = asyncio.run_coroutine_threadsafe(make(), loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the loop's thread; no call is possible afterwards."""
        with self._lock:
            self._closed = True
            loop, stopping, self._loop = self._loop, self._stopping, None
        if loop is not None and stopping is not None and self._pid == os.getpid():
            loop.call_soon_threadsafe(stopping.set)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._pid != os.getpid():
            self._lock, self._loop, self._pid = threading.Lock(), None, os.getpid()
        with self._lock:
            if self._closed:
                raise AppClosed
            if self._loop is None:
                started = threading.Event()
                try:
                    self._spawn.host("headrace-portal", lambda: self._serve(started))
                except NotStarted as error:
                    raise StoreUnreachable("the store", str(error)) from error
                started.wait()
            assert self._loop is not None
            return self._loop

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        started.set()
        await self._stopping.wait()


def refuse_running_loop(name: str) -> None:
    """UseAsync where this thread runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UseAsync(name)
