"""Work that a cancel may not cut short."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def finish(work: Awaitable[T]) -> T:
    """What ``work`` gives; where the wait for it was cancelled, that is raised once it is done.

    For ending processes: whoever cancels may start another attempt, and what this one started must be dead by then.
    """
    running = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError as error:
            cancelled = error
        except BaseException:
            break
    if cancelled is not None and not (running.cancelled() or running.exception()):
        raise cancelled
    return running.result()
