"""What a worker does beside running jobs: one step for each loop. A loop more is a line more."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from headrace.model.job import Job
from headrace.model.state import State
from headrace.runtime.attendance import Attendance, sweep_vanished
from headrace.runtime.heart import Heart
from headrace.runtime.leader import EARLY, Leader
from headrace.runtime.loop import jittered
from headrace.runtime.narrator import Narrator
from headrace.runtime.pruner import Pruner
from headrace.runtime.rescuer import Rescuer
from headrace.runtime.roller import Roller
from headrace.runtime.scheduler import Scheduler
from headrace.runtime.settings import Settings
from headrace.runtime.surroundings import Surroundings
from headrace.runtime.tally import Tally
from headrace.runtime.timekeeper import Timekeeper
from headrace.runtime.timeline import Timeline
from headrace.storage.contract import Storage

Step = Callable[[], Awaitable[float]]
"""One bounded piece of work; its answer is the seconds until the next."""

_SETTLING = 0.5
"""Seconds between looks whether this worker is heard of again as it should be."""
_LOOK = 20.0
"""Seconds between looks whether this worker leads by now, and has metrics to make."""


class Housekeeping:
    """The steps of one worker, by name."""

    def __init__(
        self,
        worker_id: str,
        storage: Storage,
        settings: Settings,
        around: Surroundings,
        narrator: Narrator,
        heart: Callable[[], Heart | None],
        attendance: Attendance,
        tally: Tally,
    ) -> None:
        self._entropy, self._report = around.entropy, around.report
        self._attendance = attendance
        self._timeline = Timeline(worker_id, storage, around.clock, tally)
        self._roller = Roller(storage)
        self._heart, self._lease = heart, settings.lease
        self.leader = Leader(worker_id, storage, around.clock, around.entropy, settings.reap, self._alive_until)

        def rescued(job: Job, state: State, reason: str | None) -> None:
            tally.rescued(job, state)
            narrator.rescued(job, state, reason)

        rescuer = Rescuer(worker_id, storage, around.entropy, settings.crash_budget, rescued)
        pruner = Pruner(storage, settings)
        ticker = Scheduler(storage, around.new_id, around.report, narrator.queued)
        self._timekeeper = Timekeeper(ticker, storage, around.clock, lambda: self.leader.leads)
        self.steps: Mapping[str, Step] = {
            "leader": self.leader.step,
            "rescuer": self._once_settled(self._every(settings.reap, rescuer.rescue_once)),
            "scheduler": self._timekeeper.step,
            "pruner": self._leading(settings.prune, pruner.prune_once),
            "sweeper": self._leading(settings.reap, partial(sweep_vanished, storage)),
            "roller": self._roll,
            "attendance": self._every(settings.prune, attendance.appear),
        }
        self.lasting: Mapping[str, Step] = {"timeline": self._timeline.step}
        """These go on while a worker that was told to stop lets its jobs finish."""

    async def begin(self) -> None:
        """This worker is ready. Others not knowing it keeps it from nothing."""
        await self._try([self._attendance.appear])

    async def end(self) -> None:
        """This worker stops, and nothing runs any more. All at once: a storage that doesn't answer is waited for
        once."""
        await self._try([self._timeline.flush, self._attendance.leave, self.leader.resign])

    async def _try(self, works: Sequence[Callable[[], Awaitable[None]]]) -> None:
        answers = await asyncio.gather(*(work() for work in works), return_exceptions=True)
        for error in answers:
            if isinstance(error, Exception):
                self._report("worker", error)

    def stop(self) -> None:
        """Wait for nothing more."""
        self._timekeeper.stop()

    async def _roll(self) -> float:
        if not self.leader.leads:
            return _LOOK
        return 0.0 if await self._roller.roll_once() else self._roller.rest

    def _every(self, seconds: float, work: Callable[[], Awaitable[object]]) -> Step:
        async def step() -> float:
            return 0.0 if await work() else jittered(seconds, self._entropy)

        return step

    def _alive_until(self) -> float:
        heart = self._heart()
        return -math.inf if heart is None else heart.beaten_at + self._lease * (1 - EARLY)

    def _once_settled(self, step: Step) -> Step:
        """Not right after an outage: others that seem to have vanished are about to beat."""

        async def unless_cut_off() -> float:
            heart = self._heart()
            is_settled = heart is not None and heart.is_settled
            return await step() if is_settled else jittered(_SETTLING, self._entropy)

        return unless_cut_off

    def _leading(self, seconds: float, work: Callable[[], Awaitable[object]]) -> Step:
        """Only while this worker leads."""

        async def step() -> float:
            return 0.0 if self.leader.leads and await work() else jittered(seconds, self._entropy)

        return step
