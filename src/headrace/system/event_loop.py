"""Event loops of our own: what handlers do to their process leaves them turning."""

import asyncio
import signal
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from headrace.system.clock import SystemClock

T = TypeVar("T")


def run_to_its_end(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run``, but only ``main`` ends it.

    A task that a handler started ends the loop when it raises SystemExit or KeyboardInterrupt, as does ``loop.stop()``:
    the loop goes on, and says so. Its timers keep their time where a handler replaces ``time.monotonic``.
    """
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        with suppress(AttributeError):  # not every kind of loop lets itself be changed, nor looks at time.monotonic
            loop.time = SystemClock().monotonic  # type: ignore[method-assign]
        task = loop.create_task(main)
        while True:
            try:
                return runner.run(_result_of(task))
            except (SystemExit, KeyboardInterrupt, RuntimeError) as error:
                if task.done() or loop.is_closed() or _is_from_keyboard(error):
                    raise
                loop.call_exception_handler({"message": "something tried to end the event loop", "exception": error})


async def _result_of(task: asyncio.Task[T]) -> T:
    return await task


def _is_from_keyboard(error: BaseException) -> bool:
    """Where a loop handles SIGINT itself, KeyboardInterrupt is somebody's idea of an exception."""
    return (
        isinstance(error, KeyboardInterrupt)
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
