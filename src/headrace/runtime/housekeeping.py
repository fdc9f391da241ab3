"""What a worker does beside running jobs: one step for each loop. A loop more is a line more."""

from collections.abc import Awaitable, Callable, Mapping

from headrace.runtime.leader import EARLY, Leader
from headrace.runtime.loop import jittered
from headrace.runtime.narrator import Narrator
from headrace.runtime.pruner import Pruner
from headrace.runtime.rescuer import Rescuer
from headrace.runtime.settings import Settings
from headrace.runtime.surroundings import Surroundings
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

        def is_alive() -> bool:
            return around.clock.monotonic() - beaten_at() < settings.lease * (1 - EARLY)

        self.leader = Leader(worker_id, storage, around.entropy, settings.reap, is_alive)
        rescuer = Rescuer(worker_id, storage, around.entropy, settings.crash_budget, narrator.rescued)
        pruner = Pruner(storage, settings)
        self.steps: Mapping[str, Step] = {
            "leader": self.leader.step,
            "rescuer": self._every(settings.reap, rescuer.rescue_once),
            "pruner": self._leading(settings.prune, pruner.prune_once),
        }

    def _every(self, seconds: float, work: Callable[[], Awaitable[object]]) -> Step:
        async def step() -> float:
            return 0.0 if await work() else jittered(seconds, self._entropy)

        return step

    def _leading(self, seconds: float, work: Callable[[], Awaitable[object]]) -> Step:
        """Only while this worker leads."""

        async def step() -> float:
            return 0.0 if self.leader.leads and await work() else jittered(seconds, self._entropy)

        return step
