"""Settles the jobs of workers that vanished."""

from collections.abc import Callable, Collection, Sequence

from headrace.model import lifecycle
from headrace.model.change import Status
from headrace.model.job import Job
from headrace.model.state import State
from headrace.storage.contract import Storage
from headrace.system.ids import Entropy

_BATCH = 200


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

    async def rescue_once(self) -> int:
        """One bounded pass: how many were rescued."""
        jobs = await self._storage.reclaim(self._worker_id, _BATCH, self._queues)
        if jobs:
            await self._settle(jobs)
        return len(jobs)

    async def _settle(self, jobs: Sequence[Job]) -> None:
        changes = [lifecycle.lapse(job, self._entropy(), self._crash_budget) for job in jobs]
        verdicts = await self._storage.apply(changes)
        for job, change, verdict in zip(jobs, changes, verdicts, strict=True):
            if verdict.status is Status.APPLIED and change.patch.state is not None:
                self._rescued(job, change.patch.state, change.patch.reason)
