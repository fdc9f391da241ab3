"""The handle: one event loop's door to the store."""

import asyncio
import os
from collections.abc import Callable, Collection
from typing import Self, TypeVar

from headrace.model.errors import AppClosed, WrongLoop
from headrace.storage.contract import Capabilities, Listener
from headrace.storage.memory import moving
from headrace.storage.memory.notices import MemoryListener
from headrace.storage.memory.operations import Operations
from headrace.storage.memory.store import Store
from headrace.storage.survival import Fate, Survival
from headrace.system.clock import Clock, SystemClock

T = TypeVar("T")

_CAPABILITIES = Capabilities(
    "memory",
    "one",
    Survival(
        acknowledged="in the memory of the process", end=Fate.LOST, kill=Fate.LOST, power=Fate.LOST, machine=Fate.LOST
    ),
)


class MemoryStorage(Operations):
    """Keeps jobs in this process's memory. Implements ``contract.Storage``, whose docstrings apply."""

    def __init__(self, clock: Clock | None = None, *, store: Store | None = None) -> None:
        self._store = Store(clock or SystemClock()) if store is None else store
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        if self._store.pid != os.getpid() or self._loop not in (None, loop):
            raise WrongLoop("this memory storage")
        self._loop, self._closed = loop, False

    async def close(self) -> None:
        self._closed = True

    async def migrate(self, *, post: bool = False) -> int:  # noqa: ARG002 - there is no older version
        return 1

    def sibling(self) -> Self:
        return type(self)(store=self._store)

    def _entered(self) -> Store:
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:  # a fork took this coroutine along, but not its loop
            here = None
        if here is None or here is not self._loop:
            raise WrongLoop("this memory storage")
        if self._closed:
            raise AppClosed
        return self._store

    async def _read(self, run: Callable[[Store], T]) -> T:
        store = self._entered()
        with store.lock:
            return run(store)

    async def _write(self, run: Callable[[Store], T], *, moves: bool = False) -> T:
        store = self._entered()
        with store.lock:
            if not moves:
                moving.refuse_moved(store)
            return run(store)

    def listen(self, topics: Collection[str]) -> Listener:
        store = self._entered()
        return MemoryListener(store.notices, topics, asyncio.get_running_loop())
