"""What runs beside the loop in production runs here on the spot: sync handlers, listeners, calls of sync code."""

import asyncio
import inspect
from asyncio import _enter_task, _leave_task, _set_running_loop  # documented for those who write loops and drive tasks
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from headrace.interface.portal import Portal, refuse_running_loop
from headrace.model.errors import AppClosed
from headrace.runtime.events import Bus, Event
from headrace.runtime.loop import Report
from headrace.system.spawn import Hosted, Main, Processes, Serve, Spawn, Tell, Threads
from headrace.testing.clock import VirtualSpawn
from headrace.testing.driving import Driver

T = TypeVar("T")


@contextmanager
def outside_the_loop() -> Iterator[None]:
    """Code in here sees no running event loop, as on a thread of its own, and may run one."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        yield
        return
    task = asyncio.current_task()
    if task is not None:
        _leave_task(loop, task)
    _set_running_loop(None)
    try:
        yield
    finally:
        _set_running_loop(loop)
        if task is not None:
            _enter_task(loop, task)


class InlineSpawn(VirtualSpawn):
    """Starts no thread and no process."""

    def host(self, name: str, main: Main) -> Hosted:
        """Only where a loop runs: nothing can go on beside a test without one."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "nothing runs in the background of a test: call drain() or advance() of the fixture `headrace` "
                "instead of app.background() or housekeeping()"
            ) from None
        return super().host(name, main)

    def threads(self, name: str) -> Threads:  # noqa: ARG002 - the protocol's
        return _Inline()

    def processes(self, serve: Serve, grace: float) -> Processes:  # noqa: ARG002 - the protocol's
        return _InlineProcess(serve)


class _Inline:
    async def run(self, function: Callable[[], T]) -> T:
        with outside_the_loop():
            return function()

    def close(self) -> None:
        return


class _InlineProcess:
    def __init__(self, serve: Serve) -> None:
        self._serve = serve

    async def run(self, data: bytes, heard: Tell) -> bytes:
        with outside_the_loop():
            return copy_context().run(self._serve, data, heard)

    def close(self) -> None:
        return


class InlinePortal(Portal):
    """Runs what sync code asks for on the spot."""

    def __init__(self, spawn: Spawn, driver: Driver) -> None:
        super().__init__(spawn)
        self._driver = driver
        self._ended = False

    def call(self, name: str, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        refuse_running_loop(name)
        if self._ended:
            raise AppClosed
        return self._driver.run(make)

    def close(self) -> None:
        self._ended = True


class InlineBus(Bus):
    """Calls each listener on the spot. One that raises is reported, as always."""

    def __init__(self, spawn: Spawn, report: Report, driver: Driver) -> None:
        super().__init__(spawn, report)
        self._driver, self._tell_of = driver, report

    def emit(self, event: Event) -> None:
        for listener in self.listeners(event.id):
            try:
                answer = listener(event)
                if inspect.isawaitable(answer):
                    with outside_the_loop():
                        self._driver.run(partial(_awaited, answer))
            except Exception as error:
                self._tell_of(f"listener of {event.id}", error)

    async def flush(self) -> None:
        return

    async def close(self) -> None:
        return


async def _awaited(answer: Any) -> None:
    await answer
