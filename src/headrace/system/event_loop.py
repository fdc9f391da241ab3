"""Event loops of our own: what handlers do to their process leaves them turning."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from headrace.system.clock import SystemClock

T = TypeVar("T")

_STOPPED = "Event loop stopped before Future completed."
"""What asyncio says after ``loop.stop()``, in an exception of no type of its own."""


def run_to_its_end(main: Coroutine[Any, Any, T], begun: Callable[[], object] | None = None) -> T:
    """``asyncio.run``, but only ``main`` ends it. ``begun`` is called once there is a loop: where no more files may be
    opened, there is none, and OSError is raised.

    A task that a handler started ends the loop when it raises SystemExit or KeyboardInterrupt, as does ``loop.stop()``:
    the loop goes on, and says so. Its timers keep their time where a handler replaces ``time.monotonic``.
    """
    runner = asyncio.Runner()
    try:
        loop = runner.get_loop()
    except BaseException:
        main.close()
        raise
    with runner:
        if begun is not None:
            begun()
        with suppress(AttributeError):  # not every kind of loop lets itself be changed, nor looks at time.monotonic
            loop.time = SystemClock().monotonic  # type: ignore[method-assign]
        task = loop.create_task(main)
        while True:
            try:
                return runner.run(_result_of(task))
            except (SystemExit, KeyboardInterrupt, RuntimeError) as error:
                if task.done() and not task.cancelled():
                    return task.result()
                if task.done() or not _is_stray(error):
                    raise
                loop.call_exception_handler({"message": "something tried to end the event loop", "exception": error})


async def _result_of(task: asyncio.Task[T]) -> T:
    return await task


def _is_stray(error: BaseException) -> bool:
    """Where something else than Python's own handler answers SIGINT, KeyboardInterrupt doesn't come from a keyboard."""
    match error:
        case RuntimeError():
            return str(error) == _STOPPED
        case KeyboardInterrupt() if threading.current_thread() is threading.main_thread():
            return signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        case _:
            return True
