"""Jobs that a worker has and does not know of: a call that took them failed, or its answer got lost.

The worker's own beats would keep them for as long as it lives, and nobody would run them.
"""

import math
from collections.abc import Callable, Collection, Sequence

from headrace.model.job import Job
from headrace.model.state import RUNNING
from headrace.storage.contract import Filter, Storage
from headrace.system.clock import Clock

Known = Callable[[], Collection[tuple[str, int]]]
"""Id and generation of each job that the worker knows to be its own."""

_LOOKS = 2
"""After a call that failed: as soon as the storage answers, and a lease later, for a call may be applied after it
failed."""
_PAGE = 1_000


class Strays:
    """One for a producer, who calls it while no claim is under way: what it took then is known."""

    def __init__(self, worker_id: str, storage: Storage, clock: Clock, lease: float, retry: float) -> None:
        self._worker_id, self._storage, self._clock = worker_id, storage, clock
        self._lease, self._retry = lease, retry
        self._looks = 0
        self._look_at = -math.inf

    @property
    def is_due(self) -> bool:
        """Whether to look now. Never without an error."""
        return self._looks > 0 and self._clock.monotonic() >= self._look_at

    def suspect(self) -> None:
        """A call failed that may have taken jobs."""
        self._looks = _LOOKS

    async def look(self, known: Known) -> Sequence[Job]:
        """Jobs of this worker that are not known. A look that succeeds is the last one for a lease."""
        self._look_at = self._clock.monotonic() + self._retry
        before = known()  # may be settled while the storage answers
        jobs = [job for job in await held_by(self._storage, self._worker_id) if not job.rescued]
        self._looks -= 1
        self._look_at = self._clock.monotonic() + self._lease
        ours = {*before, *known()}
        return [job for job in jobs if (job.id, job.generation) not in ours]

    async def look_last(self, known: Known) -> Sequence[Job]:
        """The same for a worker that stops, where a look is still to come."""
        return await self.look(known) if self._looks else ()


async def held_by(storage: Storage, worker_id: str) -> Sequence[Job]:
    """All jobs that this worker has, as the storage sees it."""
    jobs: list[Job] = []
    after: str | None = None
    while True:
        page = await storage.find(Filter(RUNNING, worker=worker_id), limit=_PAGE, after=after)
        jobs += page.jobs
        if page.next is None:
            return jobs
        after = page.next
