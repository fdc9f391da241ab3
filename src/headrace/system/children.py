"""Child processes for process executors: killed on cancel, gone when their parent is gone."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.connection import Connection

from headrace.model.errors import ExtraMissing
from headrace.system.spawn import ProcessDied, start_thread


class ChildPool:
    """At most ``most`` children, started with ``spawn``: forking a process with threads and loops is not safe."""

    def __init__(self, most: int) -> None:
        try:
            import pebble
        except ImportError:
            raise ExtraMissing('executor="process"', "process") from None
        self._died = pebble.ProcessExpired
        context = multiprocessing.get_context("spawn")
        self._watched, self._alive = context.Pipe(duplex=False)
        self._pool = pebble.ProcessPool(
            max_workers=most, context=context, initializer=_watch_parent, initargs=(self._watched, self._alive)
        )

    async def run(self, function: Callable[[bytes], bytes], data: bytes) -> bytes:
        future: Future[bytes] = self._pool.schedule(function, args=(data,))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.cancel()
            raise
        except self._died as error:
            raise ProcessDied(f"its process died: {_exit_text(error.exitcode)}") from None

    def close(self) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call] # pebble's own
        self._pool.join()
        self._alive.close()
        self._watched.close()


def _exit_text(code: int) -> str:
    if code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"exit code {code}"


def _watch_parent(watched: Connection, alive: Connection) -> None:
    """End at once when the parent is gone, whatever the handler does."""
    alive.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def watch() -> None:
        try:
            watched.recv_bytes()
        except (EOFError, OSError):
            os._exit(1)

    start_thread("headrace-parent-watch", watch)
