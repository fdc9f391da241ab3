"""Waiting for jobs: until final, and for what they returned."""

from typing import Any, TypeVar, overload

from headrace.interface.core import Core, JobReference, id_of
from headrace.model.codec import decode_result
from headrace.model.duration import Duration, seconds
from headrace.model.errors import JobCancelled, JobDead, JobExpired, JobNotFound, ResultNotKept, WaitTimeout
from headrace.model.job import Job
from headrace.model.state import FINAL, State
from headrace.runtime.settings import Settings
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
                    raise await self._missing(storage, job_id)
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

    async def _missing(self, storage: Storage, job_id: str) -> JobNotFound:
        expired = is_expired(self.settings, job_id, await storage.now())
        return JobExpired(job_id) if expired else JobNotFound(job_id)


def is_expired(settings: Settings, job_id: str, now: int) -> bool:
    """Whether a job that isn't there may have been removed by its age: whether its id is older than the retention."""
    return age_of(job_id, now) >= min(keep.age for keep in settings.keep.values())
