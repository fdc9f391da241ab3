"""Dedup keys: who holds which, and until when."""

from heapq import nsmallest
from typing import NamedTuple

from headrace.model.job import Job, NewJob, Until


class Hold(NamedTuple):
    """Who has a key."""

    job_id: str
    ends_at: int | None
    """With ``Until.WINDOW``: when the window ends."""


class Keys:
    """A key holds per queue."""

    def __init__(self, holds: dict[tuple[str, str], Hold]) -> None:
        self._holds = holds

    def holder(self, queue: str, key: str, now: int) -> str | None:
        """The id of the job that holds the key."""
        hold = self._holds.get((queue, key))
        if hold is None or (hold.ends_at is not None and hold.ends_at <= now):
            return None
        return hold.job_id

    def hold(self, new: NewJob, key: str, now: int) -> None:
        """A new job takes a free key."""
        ends_at = now + round((new.window or 0) * 1000) if new.until is Until.WINDOW else None
        self._holds[new.queue, key] = Hold(new.id, ends_at)

    def take_back(self, job: Job, key: str) -> None:
        """A job takes a free key again. A window is never opened anew."""
        if job.until is not Until.WINDOW:
            self._holds[job.queue, key] = Hold(job.id, None)

    def release(self, job: Job) -> None:
        """Frees what the job holds, but no window: that lasts whatever becomes of the job."""
        if job.until is not Until.WINDOW:
            self.free(job)

    def free(self, job: Job) -> None:
        """Frees what the job holds, a window as well."""
        if job.key is None:
            return
        hold = self._holds.get((job.queue, job.key))
        if hold is not None and hold.job_id == job.id:
            del self._holds[job.queue, job.key]

    def restore(self, queue: str, key: str, hold: Hold) -> None:
        """A key as another store had it."""
        self._holds[queue, key] = hold

    def following(self, after: tuple[str, str], most: int) -> list[tuple[str, str, Hold]]:
        """The first keys above this one by queue and key, at most so many, and who has them."""
        names = nsmallest(most, (name for name in self._holds if name > after))
        return [(*name, self._holds[name]) for name in names]

    def forget_lapsed(self, now: int) -> None:
        """Drops windows that have ended."""
        for name in [name for name, hold in self._holds.items() if hold.ends_at is not None and hold.ends_at <= now]:
            del self._holds[name]
