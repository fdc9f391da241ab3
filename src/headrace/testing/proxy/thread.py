"""A proxy in a thread of its own, for programs that have no loop, or whose loop is what is tested."""

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from headrace.system.threads import start_thread
from headrace.testing.proxy.answers import Dialogue, QuietDialogue
from headrace.testing.proxy.proxy import FaultProxy

T = TypeVar("T")


class ProxyThread:
    """``with ProxyThread("127.0.0.1", 5432) as thread: thread.ask(lambda proxy: proxy.cut())``"""

    def __init__(
        self, host: str, port: int, *, speaks: Callable[[], Dialogue] = QuietDialogue, seed: int | str = 0
    ) -> None:
        self._proxy = FaultProxy(host, port, speaks=speaks, seed=seed)
        self._is_ready = threading.Event()
        self._error: BaseException | None = None
        self._join: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return self._proxy.port

    def ask(self, action: Callable[[FaultProxy], T]) -> T:
        """What this returns, called in the proxy's thread. It is in force then."""

        async def act() -> T:
            return action(self._proxy)

        loop = self._open_loop()
        return asyncio.run_coroutine_threadsafe(act(), loop).result()

    def wait(self, condition: Callable[[FaultProxy], bool], timeout: float) -> None:
        """Return once this is so; TimeoutError after so many seconds."""

        async def wait() -> None:
            await asyncio.wait_for(self._proxy.until(lambda: condition(self._proxy)), timeout)

        loop = self._open_loop()
        asyncio.run_coroutine_threadsafe(wait(), loop).result()

    def __enter__(self) -> Self:
        self._join = start_thread("fault-proxy", self._run).join
        self._is_ready.wait()
        if self._error is not None:
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._stop is not None and self._join is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._join()

    def _open_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("this proxy is not open: use it in a with block")
        return self._loop

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._error = error
            self._is_ready.set()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with self._proxy:
            self._loop = asyncio.get_running_loop()
            self._is_ready.set()
            await self._stop.wait()
