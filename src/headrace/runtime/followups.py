"""Jobs that came with a completion, announced: those whose dedup key was held do not exist."""

import asyncio
from collections.abc import Sequence

from headrace.model.job import NewJob
from headrace.runtime.loop import Report
from headrace.runtime.narrator import Narrator
from headrace.storage.contract import Storage


class Followups:
    """One for a worker. Looks in the storage where it has to, beside the worker's other work."""

    def __init__(self, storage: Storage, narrator: Narrator, report: Report) -> None:
        self._storage, self._narrator, self._report = storage, narrator, report
        self._looking: set[asyncio.Task[None]] = set()

    def announce(self, jobs: Sequence[NewJob]) -> None:
        """Tell of those that exist."""
        if self._narrator.tells_of_queued:
            task = asyncio.get_running_loop().create_task(self._look(jobs))
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)

    async def flush(self) -> None:
        """Returns when all is told."""
        while self._looking:
            await asyncio.wait(self._looking)

    async def _look(self, jobs: Sequence[NewJob]) -> None:
        try:
            await announce(self._storage, self._narrator, jobs)
        except Exception as error:
            self._report("followups", error)


async def announce(storage: Storage, narrator: Narrator, jobs: Sequence[NewJob]) -> None:
    """Tell of those that exist."""
    keyed = [job.id for job in jobs if job.key is not None]
    there = {job.id for job in await storage.get(keyed) if job is not None} if keyed else set()
    for job in jobs:
        if job.key is None or job.id in there:
            narrator.followed(job)
