"""Workers that come, run what is due, and go: nothing runs between two shifts."""

import asyncio
from collections.abc import Awaitable, Callable

from headrace.interface.app import Headrace
from headrace.interface.core import DEFAULT_QUEUE
from headrace.interface.slots import check_slots
from headrace.model.duration import seconds
from headrace.runtime.loop import turn
from headrace.storage.memory.store import Store
from headrace.testing.agenda import next_moment
from headrace.testing.crashes import Crashes
from headrace.testing.driving import DriveLoop, Time
from headrace.testing.wanted import describe

LONGEST_SHIFT = "1h"
"""Of the test's time: what runs longer than that in one go will not end."""
_STILL = 50
"""Turns of a loop after which what was ready has run."""
_LOOK = 0.001
"""Real seconds between two looks at handlers that run on a loop of the user's."""


class Shifts:
    """Of one app under test."""

    def __init__(self, app: Headrace, store: Store, time: Time, crashes: Crashes) -> None:
        self.app = app
        self._store, self._time, self._crashes = store, time, crashes

    async def step(self, target: int | None) -> bool:
        """Move on to the next moment and run what is due then; False where none comes, or none before ``target``."""
        moment = await next_moment(self.app, self._store)
        if moment is None or (target is not None and moment > target):
            return False
        self._time.move_to(moment)
        while await self.app.arescue_once():
            continue
        await self.run_due()
        return True

    async def run_due(self) -> None:
        """A worker of all queues runs what is due."""
        self.app.middleware = self._crashes.wrap(self.app.middleware)
        loop = asyncio.get_running_loop()
        if isinstance(loop, DriveLoop):
            with loop.patient(True):  # hooks open and close what they need
                await self._work(lambda: self._until_quiet(loop))
        else:
            await self._work(self._until_still)

    async def _work(self, until_done: Callable[[], Awaitable[None]]) -> None:
        async with self.app.worker(check_slots(self._queues())) as worker:
            await until_done()
        await self._leave_lease(worker.id)

    def _queues(self) -> list[str]:
        named = [*self.app.registry.queues(), *(job.queue for job in self._store.rows.jobs.values())]
        return list(dict.fromkeys(named)) or [DEFAULT_QUEUE]

    async def _until_quiet(self, loop: DriveLoop) -> None:
        ends = self._time.now + seconds(LONGEST_SHIFT, "shift")
        with loop.patient(False):
            await loop.quiet()
            while self._crashes.under_way:
                if self._time.now > ends:
                    raise AssertionError(self._endless())
                await loop.quiet(later=True)

    async def _until_still(self) -> None:
        still = 0
        while still < _STILL:
            await turn()
            still += 1
            if self._crashes.under_way:
                still = 0
                await self.app.clock.sleep(_LOOK)

    def _endless(self) -> str:
        lines = [f"  {describe(self.app, attempt.job)}" for attempt in self._crashes.under_way]
        return "\n".join([f"these handlers did not end within {LONGEST_SHIFT} of the test's time:", *lines])

    async def _leave_lease(self, worker_id: str) -> None:
        """A worker that died has told nobody: its lease goes on until it runs out."""
        if worker_id in self._crashes.unsettled.values():
            storage = (await self.app.here()).storage
            await storage.beat(worker_id, (), self.app.settings.lease)
