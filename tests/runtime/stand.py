"""What tests of running jobs stand on: an app in memory on a virtual clock, and words for the usual."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from itertools import pairwise
from typing import Any

from headrace import Headrace, Job, RetryPolicy
from headrace.model.duration import Duration
from headrace.runtime.events import EVENTS, Event
from headrace.runtime.worker import Worker
from headrace.testing.clock import VirtualClock, VirtualSpawn
from headrace.testing.swapping import swapped

EXACT = RetryPolicy.exponential(max_attempts=3, base=1, jitter=0)


class Stand:
    """One app in virtual time, and all that it reports."""

    def __init__(self, app: Headrace, while_it_stands: ExitStack) -> None:
        self.app = app
        self.reports: list[tuple[str, BaseException]] = []
        self.clock = VirtualClock()
        while_it_stands.enter_context(swapped(app, clock=self.clock, spawn=VirtualSpawn(), report=self.report))

    def report(self, who: str, error: BaseException) -> None:
        self.reports.append((who, error))

    def reported(self, kind: type[BaseException]) -> list[BaseException]:
        return [error for _, error in self.reports if isinstance(error, kind)]

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    async def pass_time(self, seconds: float) -> None:
        await self.clock.sleep(seconds)

    async def storage(self) -> Any:
        return (await self.app.here()).storage

    async def job(self, receipt: Any) -> Job:
        job = await self.app.ajob(receipt)
        assert job is not None
        return job

    async def final(self, receipt: Any, within: Duration = "2h") -> Job:
        """The job once it is final, run by a worker of its own."""
        async with self.app.worker(["default"]):
            return await self.app.ajoin(receipt, within)

    def hear(self, *event_ids: str) -> list[Event]:
        """A list that fills with the events of these ids, or of all."""
        heard: list[Event] = []
        for event_id in event_ids or sorted(EVENTS):
            self.app.on(event_id)(heard.append)
        return heard

    @asynccontextmanager
    async def zombie(self, queues: Mapping[str, int] | None = None) -> AsyncIterator[Worker]:
        """A worker whose heart never beats: its lease runs out while it works on."""
        async with self.app.worker(queues or {"default": 1}) as worker:
            assert worker._heart is not None
            worker._heart._beat_at = float("inf")
            yield worker


async def settle_loop() -> None:
    """Let everything that is ready run, without time passing."""
    for _ in range(20):
        await asyncio.tasks.sleep(0)


def gaps_of(moments: Sequence[float]) -> list[float]:
    """The time between each moment and the next."""
    return [later - earlier for earlier, later in pairwise(moments)]
