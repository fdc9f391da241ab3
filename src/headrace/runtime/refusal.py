"""When a store takes nothing from a worker any more, for good: the worker ends, and says why once."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

from headrace.model.errors import StoreError, StoreMoved, StoreOwned, StoreTaken
from headrace.runtime.loop import Report

LASTING = (StoreMoved, StoreOwned, StoreTaken)
"""What no later try will mend."""


class Refusal:
    """Hears every error that a part of the worker reports, and passes them on."""

    def __init__(self, report: Report) -> None:
        self._report, self._loop = report, asyncio.get_running_loop()
        self._heard = asyncio.Event()
        self.error: StoreError | None = None
        """What the store said, once it did."""

    def report(self, name: str, error: BaseException) -> None:
        """From any thread."""
        if not isinstance(error, LASTING):
            self._report(name, error)
        elif self.error is None:
            self.error = error
            self._report(name, error)
            with suppress(RuntimeError):  # the loop is closed: the worker has ended
                self._loop.call_soon_threadsafe(self._heard.set)

    async def wait(self) -> None:
        """Returns when there is one."""
        await self._heard.wait()

    def check(self) -> None:
        """Raises it."""
        if self.error is not None:
            raise self.error

    async def unless(self, other: Awaitable[object]) -> None:
        """Returns when this does; raises the refusal where that comes first."""
        waiting = [asyncio.ensure_future(other), asyncio.ensure_future(self.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for future in waiting:
                future.cancel()
        self.check()
