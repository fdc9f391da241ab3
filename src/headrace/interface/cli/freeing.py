"""Frees the jobs of a worker process that died: at once, instead of when its lease runs out."""

import asyncio
import logging
from collections.abc import Callable

from headrace.interface.cli.messages import Opened
from headrace.model.errors import StoreError
from headrace.model.retry import RetryPolicy
from headrace.storage.contract import Storage
from headrace.storage.opening import open_url
from headrace.system.clock import Clock
from headrace.system.ids import Entropy

logger = logging.getLogger("headrace")

Open = Callable[[Opened], Storage]
_PAUSE = RetryPolicy.exponential(base=0.1, cap=5.0, jitter=0.5)
_FIRST = 2.0
"""Seconds that a respawn waits for it: the new worker then finds those jobs at its first look."""


def opener(clock: Clock) -> Open:
    """Opens the store that a child told of."""
    return lambda opened: open_url(opened.url, clock=clock, auto_migrate=False, patience=opened.patience)


class Freeing:
    """A storage handle of the supervisor's own, opened when a child first dies."""

    def __init__(self, open_storage: Open, clock: Clock, entropy: Entropy) -> None:
        self._open, self._clock, self._entropy = open_storage, clock, entropy
        self._storage: Storage | None = None
        self._opening = asyncio.Lock()
        self._under_way: set[asyncio.Task[None]] = set()

    async def free(self, worker_id: str, opened: Opened) -> None:
        """End this worker's lease; returns when that is done, or goes on in the background."""
        if opened.processes != "many":
            return  # the next owner takes everything over anyway, and we may not write
        task = asyncio.create_task(self._free(worker_id, opened))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.wait({task}, timeout=_FIRST)

    async def close(self) -> None:
        """Finish what is under way, briefly, and let go of the store."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_FIRST)
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        if self._storage is not None:
            await self._storage.close()

    async def _free(self, worker_id: str, opened: Opened) -> None:
        """Try until it is done, or until the lease has run out by itself."""
        ends_at = self._clock.monotonic() + opened.lease
        failures = 0
        while True:
            try:
                await (await self._handle(opened)).beat(worker_id, (), 0)
                return
            except StoreError as error:
                failures += 1
                if self._clock.monotonic() >= ends_at:
                    logger.error("could not free the jobs of worker %s: %s", worker_id[-8:], error)
                    return
                await self._clock.sleep(_PAUSE.delay(failures, self._entropy()))

    async def _handle(self, opened: Opened) -> Storage:
        async with self._opening:
            if self._storage is None:
                storage = self._open(opened)
                await storage.open()
                self._storage = storage
            return self._storage
