"""What workers do beside running jobs, one bounded step at a time: for programs with a loop of their own."""

from headrace.interface.core import Core
from headrace.model.duration import Duration, seconds
from headrace.model.errors import InvalidOption
from headrace.model.names import check_name
from headrace.model.state import FINAL, RUNNING, State
from headrace.runtime.narrator import Narrator
from headrace.runtime.pruner import Pruner
from headrace.runtime.rescuer import Rescuer
from headrace.runtime.roller import AGAIN, Roller
from headrace.storage.contract import Filter


class Steps(Core):
    """Operations that keep a store in order. Two programs may do the same at once."""

    async def arescue_once(self) -> int:
        """Take over jobs of vanished workers and put each back, or declare it dead: how many, at most 200. As many:
        there may be more."""
        storage = (await self.here()).storage
        if not (await storage.find(Filter(RUNNING), limit=1)).jobs:
            return 0
        worker = self.ids.new()
        narrator = Narrator(self.bus, self.clock, worker)
        rescuer = Rescuer(worker, storage, self.entropy, self.settings.crash_budget, narrator.rescued)
        await storage.beat(worker, (), self.settings.lease)
        try:
            return await rescuer.rescue_once()
        finally:
            await storage.beat(worker, (), 0)

    async def aprune_once(
        self, queue: str | None = None, *, older: Duration | None = None, state: str | State | None = None
    ) -> int:
        """Remove what was kept long enough: how much, at most 1,000 jobs. Not 0: there may be more.

        Without arguments it does what workers do: jobs go by their own retention, their queue's or the app's, and old
        rows of the timeline go too. With ``queue`` or ``state`` only such jobs go; with ``older`` those that became
        final so long ago, whatever queue and app say. A job's own retention stands in any case.
        """
        states = final_states(state)
        pruner = Pruner((await self.here()).storage, self.settings)
        if queue is None and older is None and state is None:
            return await pruner.prune_once()
        chosen = None if queue is None else check_name("queue", queue)
        return await pruner.prune_jobs_once(chosen, None if older is None else seconds(older, "older"), states)

    async def aroll_metrics_once(self) -> int:
        """Merge what workers told of the last three minutes that have ended into metrics: how many were written or
        changed, one for each queue and minute."""
        return await Roller((await self.here()).storage, back=AGAIN).roll_once()


def final_states(state: str | State | None) -> frozenset[State]:
    """The final state that is named, or all of them; or InvalidOption."""
    if state is None:
        return FINAL
    if state not in FINAL:
        raise InvalidOption("state", state, f"it must be one of {', '.join(sorted(FINAL))}")
    return frozenset({State(state)})
