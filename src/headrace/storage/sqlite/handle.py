"""A handle's life, and how its calls reach the threads that do them."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Self, TypeVar

from headrace.model.errors import AppClosed, InvalidOption, WrongLoop
from headrace.storage.contract import Capabilities
from headrace.storage.sqlite import inspection
from headrace.storage.sqlite.listening import Hub
from headrace.storage.sqlite.moments import Moments
from headrace.storage.sqlite.operation import Errand, Operation
from headrace.storage.sqlite.store import Settings, Store
from headrace.storage.sqlite.transaction import Transaction
from headrace.storage.survival import Fate, Survival
from headrace.system.clock import Clock, SystemClock

T = TypeVar("T")

_SURVIVAL = {
    "full": Survival(acknowledged="committed, and synced to the disk", provided="the disk keeps what it has synced"),
    "normal": Survival(acknowledged="committed, and with the operating system", power=Fate.LAST),
}


class Handle:
    """One event loop's door to the store of a file."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Clock | None = None,
        durability: str = "full",
        auto_migrate: bool = True,
        patience: float = 10.0,
        filesystem_checked: bool = True,
        read_only: bool = False,
        adopts: bool = False,
        moments: Moments | None = None,
    ) -> None:
        self._path = os.path.abspath(os.fspath(path))
        if durability not in _SURVIVAL:
            raise InvalidOption("durability", durability, "it must be full or normal")
        self._durability = durability
        self._settings = Settings(durability == "full", auto_migrate, patience, filesystem_checked, read_only, adopts)
        self._moments = moments or Moments(clock or SystemClock())
        self._moment = self._moments.read
        self._pid = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._store: Store | None = None
        self._hub: Hub | None = None
        self._opening: asyncio.Future[None] | None = None
        self._under_way: set[asyncio.Future[Any]] = set()
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("sqlite", "many", _SURVIVAL[self._durability])

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        if os.getpid() != self._pid or self._loop not in (None, loop):
            raise WrongLoop(f"this handle on {self._path}")
        if self._closed:
            raise AppClosed
        self._loop = loop
        if self._opening is None or (self._opening.done() and (self._opening.cancelled() or self._opening.exception())):
            self._opening = asyncio.ensure_future(self._open(loop))
        await asyncio.shield(self._opening)

    async def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        store = Store.join(inspection.resolve_path(self._path))
        operation = Errand(loop, partial(store.prepare, self._settings), self._moment)
        try:
            store.reader.submit(operation)
            await operation.future
        except BaseException:
            await store.leave(loop)
            raise
        self._store = store
        self._hub = Hub(loop, store.post, store.folder)
        self._hub.data_version = self._data_version
        store.add_hub(self._hub)

    async def close(self) -> None:
        if os.getpid() != self._pid or self._closed:
            return
        self._closed = True
        its_loop_turns = self._loop is asyncio.get_running_loop()
        if self._opening is not None and its_loop_turns:
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._store is None or self._hub is None:
            return
        if its_loop_turns:
            await asyncio.gather(*self._under_way, return_exceptions=True)
        self._store.remove_hub(self._hub)
        self._hub.close()
        await self._store.leave(asyncio.get_running_loop())

    async def migrate(self, *, post: bool = False) -> int:  # noqa: ARG002 - older versions refuse the file
        store = self._entered()
        operation = Errand(asyncio.get_running_loop(), partial(store.migrate, self._settings.patience), self._moment)
        store.reader.submit(operation)
        return await self._await(operation)

    def sibling(self) -> Self:
        settings = self._settings
        return type(self)(
            self._path,
            durability=self._durability,
            auto_migrate=settings.auto_migrate,
            patience=settings.patience,
            filesystem_checked=settings.filesystem_checked,
            read_only=settings.read_only,
            adopts=settings.adopts,
            moments=self._moments,
        )

    def _entered(self) -> Store:
        if os.getpid() != self._pid or asyncio.get_running_loop() is not self._loop:
            raise WrongLoop(f"this handle on {self._path}")
        if self._closed or self._store is None:
            raise AppClosed
        return self._store

    async def _await(self, operation: Operation[T]) -> T:
        future = operation.future
        self._under_way.add(future)
        try:
            return await future
        finally:
            self._under_way.discard(future)

    def _write(self, run: Callable[[Transaction], T], rows: int, *, reads_counts: bool = False) -> Awaitable[T]:
        store, loop = self._entered(), asyncio.get_running_loop()
        operation = Operation(loop, run, self._moment, rows, reads_counts=reads_counts)
        store.writer.submit(operation)
        return self._await(operation)

    async def _write_unless(
        self, idle: Callable[[Transaction], bool], nothing: T, run: Callable[[Transaction], T], rows: int
    ) -> T:
        store, loop = self._entered(), asyncio.get_running_loop()
        operation = Operation(loop, run, self._moment, rows, idle=idle, nothing=nothing)
        store.writer.submit(operation)
        return await self._await(operation)

    async def _read(self, run: Callable[[Transaction], T]) -> T:
        store = self._entered()
        operation = Operation(asyncio.get_running_loop(), run, self._moment)
        store.reader.submit(operation)
        return await self._await(operation)

    async def _data_version(self) -> int:
        return await self._read(lambda transaction: int(transaction.value("PRAGMA data_version") or 0))
