"""One storage handle per event loop, opened at first use; after a fork the child starts with none."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Sequence

from headrace.model.errors import AppClosed
from headrace.model.job import NewJob
from headrace.runtime.coalescer import Coalescer
from headrace.storage.contract import Receipt, Storage


class Handle:
    """A storage for one loop, and the coalescer of what is enqueued through it."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._coalescer: Coalescer[NewJob, asyncio.Future[Receipt[object]], Receipt[object]] = Coalescer(
            storage.insert, _deliver, _fail
        )

    def send(self, new: NewJob) -> "asyncio.Future[Receipt[object]]":
        """Insert this one, together with whatever else is enqueued while a call is in flight: an error may be of all of
        these."""
        future: asyncio.Future[Receipt[object]] = asyncio.get_running_loop().create_future()
        self._coalescer.add(new, future)
        return future

    async def close(self) -> None:
        """Let go, once all that was sent is answered."""
        await self._coalescer.flush()
        await self.storage.close()


class Handles:
    """The handles of one app in this process."""

    def __init__(self, make: Callable[[], Storage], first_use: Callable[[Storage], Awaitable[None]]) -> None:
        self._make, self._first_use = make, first_use
        self._root: Storage | None = None
        self._unopened: Storage | None = None
        self._opening: dict[asyncio.AbstractEventLoop, asyncio.Future[Handle]] = {}
        self._open: dict[asyncio.AbstractEventLoop, Handle] = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._forgotten: list[object] = []
        self.closed = False

    def open_here(self) -> Handle | None:
        """The handle of the running loop, where it is open."""
        return self._open.get(asyncio.get_running_loop()) if self._pid == os.getpid() else None

    async def here(self) -> Handle:
        """The handle of the running loop."""
        handle = self.open_here()
        if handle is not None:
            return handle
        loop = asyncio.get_running_loop()
        if self.closed:
            raise AppClosed
        self._forget_parent()
        opening = self._opening.get(loop)
        if opening is None:
            opening = self._opening[loop] = asyncio.ensure_future(self._open_handle(loop))
        return await asyncio.shield(opening)

    def unopened(self) -> Storage:
        """A storage for what needs no open handle. From any thread."""
        if self.closed:
            raise AppClosed
        self._forget_parent()
        if self._unopened is None:
            self._unopened = self._make_storage()
        return self._unopened

    async def _open_handle(self, loop: asyncio.AbstractEventLoop) -> Handle:
        try:
            await self._close_left_behind()
            storage = self._make_storage()
            await storage.open()
            await self._first_use(storage)
            handle = self._open[loop] = Handle(storage)
            return handle
        finally:
            self._opening.pop(loop, None)

    def _make_storage(self) -> Storage:
        """All handles stand on one store, whichever loops come first at the same moment."""
        with self._lock:
            if self._root is None:
                self._root = self._make()
                return self._root
            return self._root.sibling()

    def _forget_parent(self) -> None:
        """What the parent process opened is neither used nor closed here: it is kept, so that nothing finalizes it.

        The jobs of a store in memory stay with the parent: its sibling refuses to open here, instead of a second store
        that would take jobs nobody runs.
        """
        if self._pid != os.getpid():
            self._forgotten.append((self._root, self._open, self._opening))
            if self._root is not None and self._root.capabilities.durable:
                self._root = None
            self._open, self._opening, self._lock = {}, {}, threading.Lock()
            self._unopened = None
            self._pid = os.getpid()

    async def _close_left_behind(self) -> None:
        """Handles whose loop was closed before them, as ``asyncio.run`` does."""
        for loop in [loop for loop in list(self._open) if loop.is_closed()]:
            handle = self._open.pop(loop, None)
            if handle is not None:
                await handle.storage.close()

    async def close_here(self) -> None:
        """Close the running loop's handle, if it has one. The next use opens another."""
        handle = self._open.pop(asyncio.get_running_loop(), None)
        if handle is not None:
            await handle.close()

    async def close(self) -> None:
        """Close every handle, each on its own loop. Idempotent."""
        self.closed = True
        self._forget_parent()
        await self._close_left_behind()
        here = asyncio.get_running_loop()
        for loop, handle in list(self._open.items()):
            del self._open[loop]
            if loop is here:
                await handle.close()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(handle.close(), loop))


def _deliver(futures: "Sequence[asyncio.Future[Receipt[object]]]", receipts: Sequence[Receipt[object]]) -> None:
    for future, receipt in zip(futures, receipts, strict=True):
        if not future.done():
            future.set_result(receipt)


def _fail(futures: "Sequence[asyncio.Future[Receipt[object]]]", error: BaseException) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
