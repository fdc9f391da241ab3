"""What a worker does beside running jobs: one step for each loop. A loop more is a line more."""

from collections.abc import Awaitable, Callable, Mapping

from headrace.runtime.leader import EARLY, Leader
from headrace.runtime.loop import jittered
from headrace.runtime.narrator import Narrator
from headrace.runtime.pruner import Pruner
from headrace.runtime.rescuer import Rescuer
from headrace.runtime.scheduler import Scheduler
from headrace.runtime.settings import Settings
from headrace.runtime.surroundings import Surroundings
from headrace.runtime.timekeeper import Timekeeper
from headrace.storage.contract import Storage

Step = Callable[[], Awaitable[float]]
"""One bounded piece of work; its answer is the seconds until the next."""


class Housekeeping:
    """The steps of one worker, by name."""

    def __init__(
        self,
        worker_id: str,
        storage: Storage,
        settings: Settings,
        around: Surroundings,
        narrator: Narrator,
        beaten_at: Callable[[], float],
    ) -> None:
        self._entropy = around.entropy

        def alive_until() -> float:
            return beaten_at() + settings.lease * (1 - EARLY)

        self.leader = Leader(worker_id, storage, around.clock, around.entropy, settings.reap, alive_until)
        rescuer = Rescuer(worker_id, storage, around.entropy, settings.crash_budget, narrator.rescued)
        pruner = Pruner(storage, settings)
        ticker = Scheduler(storage, around.new_id, around.report, narrator.queued)
        self._timekeeper = Timekeeper(ticker, storage, around.clock, lambda: self.leader.leads)
        self.steps: Mapping[str, Step] = {
            "leader": self.leader.step,
            "rescuer": self._every(settings.reap, rescuer.rescue_once),
            "scheduler": self._timekeeper.step,
            "pruner": self._leading(settings.prune, pruner.prune_once),
        }

    def stop(self) -> None:
        """Wait for nothing more."""
        self._timekeeper.stop()

    def _every(self, seconds: float, work: Callable[[], Awaitable[object]]) -> Step:
        async def step() -> float:
            return 0.0 if await work() else jittered(seconds, self._entropy)

        return step

    def _leading(self, seconds: float, work: Callable[[], Awaitable[object]]) -> Step:
        """Only while this worker leads."""

        async def step() -> float:
            return 0.0 if self.leader.leads and await work() else jittered(seconds, self._entropy)

        return step
