"""A thread that serves operations in the order in which they come, all that wait at once."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue

from headrace.storage.sqlite.operation import AnyOperation
from headrace.system.threads import start_thread

Batch = list[AnyOperation]


class Lane:
    """Serves batches until it is stopped."""

    def __init__(
        self,
        name: str,
        most_rows: int,
        serve: Callable[[Batch], None],
        rest: Callable[[], float | None],
        end: Callable[[], None],
    ) -> None:
        self._waiting: SimpleQueue[AnyOperation | None] = SimpleQueue()
        self._most_rows, self._serve, self._rest, self._end = most_rows, serve, rest, end
        self._enders: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._stopping = False
        self._still, self._may_go = threading.Lock(), threading.Event()
        self._may_go.set()
        start_thread(name, self._run)

    def submit(self, operation: AnyOperation) -> None:
        """From any thread."""
        self._waiting.put(operation)

    def is_busy(self) -> bool:
        """Whether more is waiting."""
        return not self._waiting.empty()

    def stop(self, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[None]":
        """Ends the thread once it has served what waits."""
        ended: asyncio.Future[None] = loop.create_future()
        self._enders.append((loop, ended))
        self._waiting.put(None)
        return ended

    def hold(self, seconds: float) -> bool:
        """Keep the thread from serving, once it has served what it is at; False where that takes longer."""
        self._may_go.clear()  # the lock alone is not fair: the thread would have it again at once
        if self._still.acquire(timeout=seconds):
            return True
        self._may_go.set()
        return False

    def let_go(self) -> None:
        """After ``hold``."""
        self._still.release()
        self._may_go.set()

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """In its own thread, in the middle of a batch: for now it may be held, since nothing is under way."""
        self._still.release()
        try:
            yield
        finally:
            self._may_go.wait()
            self._still.acquire()

    def _run(self) -> None:
        while not self._stopping:
            batch = self._gather()
            if batch:
                self._may_go.wait()
                with self._still:
                    self._serve(batch)
        self._may_go.wait()
        with self._still:
            self._end()
        for loop, ended in self._enders:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_conclude, ended)

    def late(self) -> Batch:
        """What came since the batch was gathered. In its own thread."""
        with suppress(Empty):
            return self._take(self._waiting.get_nowait())
        return []

    def _gather(self) -> Batch:
        with suppress(Empty):
            pause = None
            if self._waiting.empty():
                self._may_go.wait()
                with self._still:
                    pause = self._rest()
            return self._take(self._waiting.get(timeout=pause))
        return []

    def _take(self, operation: AnyOperation | None) -> Batch:
        batch: Batch = []
        rows = 0
        with suppress(Empty):
            while operation is not None:
                if not operation.future.cancelled():
                    batch.append(operation)
                    rows += operation.rows
                    if rows >= self._most_rows:
                        return batch
                operation = self._waiting.get_nowait()
            self._stopping = True
        return batch


def _conclude(ended: "asyncio.Future[None]") -> None:
    if not ended.done():
        ended.set_result(None)
