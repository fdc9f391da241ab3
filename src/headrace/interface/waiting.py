"""Waiting for jobs: until final, and for what they returned."""

from typing import Any, TypeVar, overload

from headrace.interface.core import Core, JobReference, id_of
from headrace.model.codec import decode_result
from headrace.model.duration import Duration, seconds
from headrace.model.errors import JobCancelled, JobDead, JobExpired, JobNotFound, ResultNotKept, WaitTimeout
from headrace.model.job import Job
from headrace.model.retention import by_state, kept_at_least
from headrace.model.state import FINAL, State
from headrace.runtime.pruner import Pruner
from headrace.storage.contract import Receipt, Storage
from headrace.system.ids import age_of

R = TypeVar("R")


class Waiting(Core):
    """Operations that wait."""

    async def ajoin(self, job: JobReference, timeout: Duration | None = None) -> Job:
        """The job once it is final, whichever way; else WaitTimeout, JobNotFound or JobExpired."""
        job_id = id_of(job)
        limit = None if timeout is None else seconds(timeout, "timeout")
        storage = (await self.here()).storage
        deadline = None if limit is None else self.clock.monotonic() + limit
        listener = storage.listen([f"job:{job_id}"])
        try:
            while True:
                found = (await storage.get([job_id]))[0]
                if found is None:
                    raise await self._missing(storage, job)
                if found.state in FINAL:
                    return found
                left = self.settings.poll if deadline is None else deadline - self.clock.monotonic()
                if left <= 0:
                    raise WaitTimeout(job_id, limit or 0.0)
                await listener.wait(min(left, self.settings.poll))
        finally:
            listener.close()

    @overload
    async def aresult(self, job: Receipt[R], timeout: Duration | None = None) -> R: ...
    @overload
    async def aresult(self, job: JobReference, timeout: Duration | None = None) -> object: ...
    async def aresult(self, job: JobReference, timeout: Duration | None = None) -> Any:
        """What the job's handler returned, as its annotation wants it where this program registers the task.

        JobDead, JobCancelled, JobNotFound, JobExpired or WaitTimeout where there is none; ResultNotKept where it
        returned something that could not be kept.
        """
        final = await self.ajoin(job, timeout)
        match final.state:
            case State.DEAD:
                raise JobDead(final.id, final.reason or "failed", final.last_error or "no error was kept")
            case State.CANCELLED:
                raise JobCancelled(final.id)
            case _ if final.result_error is not None:
                raise ResultNotKept(final.id, final.result_error)
            case _ if final.result is None:
                return None
            case _:
                handler = self.registry.get(final.task)
                return decode_result(final.result, handler.returns if handler else object)

    async def _missing(self, storage: Storage, job: JobReference) -> JobNotFound:
        job_id = id_of(job)
        return JobExpired(job_id) if await self._is_expired(storage, job) else JobNotFound(job_id)

    async def _is_expired(self, storage: Storage, job: JobReference) -> bool:
        """Whether a job that isn't there may have been removed by its age: whether its id is older than that."""
        return age_of(id_of(job), await storage.now()) >= await self._shortest_retention(storage, job)

    async def _shortest_retention(self, storage: Storage, job: JobReference) -> float:
        """Seconds that the job was kept at least; where only its id is known, the shortest of all rules that may have
        been its own."""
        of_app = {state: keep.age for state, keep in self.settings.keep.items()}
        if isinstance(job, Job):
            of_queue = (await Pruner(storage, self.settings).rules([job.queue])).get(job.queue, {})
            return kept_at_least(job.options, {state: keep.age for state, keep in of_queue.items()}, of_app)
        rules = await Pruner(storage, self.settings).rules()
        of_tasks = [handler.retention for handler in self.registry.all() if handler.retention is not None]
        return min(
            *of_app.values(),
            *(keep.age for of_queue in rules.values() for keep in of_queue.values()),
            *(age for own in of_tasks for age in by_state(own).values()),
        )
