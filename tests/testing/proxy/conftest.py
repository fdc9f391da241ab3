"""What the tests of the fault proxy share: a loop whose hours take no time, a server, and a proxy before it."""

import asyncio
import selectors
from collections.abc import AsyncIterator
from typing import Any

import pytest
from line_server import LineServer

from headrace.testing.proxy import FaultProxy

_DELIVERY = 0.02
"""Real seconds that the kernel gets to deliver what one socket of this process sent to another."""


class _Selector(selectors.DefaultSelector):
    now = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        real = None if timeout is None else min(timeout, _DELIVERY)
        ready = super().select(real)
        if not ready:
            self.now += timeout or 0.0
        self.now += 1e-7
        return ready


class SocketLoop(asyncio.SelectorEventLoop):
    """Virtual time beside real sockets: it jumps to the next timer once nothing can be under way any more."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


@pytest.fixture
def anyio_backend() -> Any:
    return ("asyncio", {"loop_factory": SocketLoop})


@pytest.fixture
async def server() -> AsyncIterator[LineServer]:
    async with LineServer() as server:
        yield server


@pytest.fixture
async def proxy(server: LineServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        yield proxy
    assert proxy.connections == 0
    assert not [task for task in asyncio.all_tasks() if "proxy" in repr(task.get_coro())]
