"""Settles the jobs of workers that vanished."""

from collections.abc import Callable, Collection, Sequence

from headrace.model import lifecycle
from headrace.model.change import Status
from headrace.model.job import Job
from headrace.model.state import State
from headrace.runtime.strays import held_by
from headrace.storage.contract import Storage
from headrace.system.ids import Entropy

_BATCH = 200
_LOOKS = 2
"""After a pass that failed: by each of the next two, for a call may be applied after it failed."""


class Rescuer:
    """Takes the jobs of expired workers over, and puts each back or declares it dead, as the state machine says."""

    def __init__(
        self,
        worker_id: str,
        storage: Storage,
        entropy: Entropy,
        crash_budget: int,
        rescued: Callable[[Job, State, str | None], None],
        queues: Collection[str] | None = None,
    ) -> None:
        self._worker_id, self._storage, self._entropy = worker_id, storage, entropy
        self._crash_budget, self._rescued, self._queues = crash_budget, rescued, queues
        self._doubts = 0
        """Passes that look for jobs which this rescuer took and did not settle."""

    async def rescue_once(self) -> int:
        """One bounded pass: how many were rescued."""
        try:
            jobs = await self._storage.reclaim(self._worker_id, _BATCH, self._queues)
            if jobs:
                await self._settle(jobs)
        except Exception:
            self._doubts = _LOOKS
            raise
        return len(jobs) + (await self._settle_strays() if self._doubts else 0)

    async def _settle_strays(self) -> int:
        """Of passes that failed: reclaimed, and known to nobody."""
        strays = [job for job in await held_by(self._storage, self._worker_id) if job.rescued]
        if strays:
            await self._settle(strays)
        self._doubts -= 1
        return len(strays)

    async def _settle(self, jobs: Sequence[Job]) -> None:
        changes = [lifecycle.lapse(job, self._entropy(), self._crash_budget) for job in jobs]
        verdicts = await self._storage.apply(changes)
        for job, change, verdict in zip(jobs, changes, verdicts, strict=True):
            if verdict.status is Status.APPLIED and change.patch.state is not None:
                self._rescued(job, change.patch.state, change.patch.reason)
