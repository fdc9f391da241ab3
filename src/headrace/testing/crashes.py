"""Workers that die at a named point of an attempt, and what every attempt of a test passes on its way there."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Literal, get_args

import msgspec

from headrace.model.errors import InvalidOption
from headrace.model.job import Job
from headrace.runtime.attempt import Attempt, Stop, current, running
from headrace.runtime.executor import CallNext, Middleware
from headrace.testing.driving import DriveLoop

Point = Literal["before_start", "after_effect", "before_ack"]
"""``before_start``: the job is claimed, nothing of it has run. ``after_effect``: the handler has ended, what middleware
does after it has not run. ``before_ack``: all of that has run, and nothing of it is recorded."""


class WorkerDied(BaseException):
    """Ends an attempt whose worker is dead. No ``except Exception`` stops it."""


class Crash(msgspec.Struct):
    """A death that is still to come."""

    point: Point
    task: str | None
    """None: of any task."""
    job_id: str | None = None
    """None: of any job."""
    times: int = 1

    def strikes(self, point: Point, job: Job) -> bool:
        """Whether it happens here."""
        fits = self.task in (None, job.task) and self.job_id in (None, job.id)
        return point == self.point and fits and self.times > 0

    def __str__(self) -> str:
        return f"crash_at({self.point!r}{'' if self.task is None else f', {self.task}'})"


def check_point(point: str) -> Point:
    """A named point, or InvalidOption."""
    for known in get_args(Point):
        if point == known:
            return point  # type: ignore[return-value] # it is one of them
    raise InvalidOption("point", point, f"it must be one of {', '.join(get_args(Point))}")


class Crashes:
    """Two middlewares, the outermost and the innermost of every worker."""

    def __init__(self) -> None:
        self.planned: list[Crash] = []
        self.runs: Counter[str] = Counter()
        """How often a worker took each job in hand."""
        self.unsettled: dict[str, str] = {}
        """Jobs whose worker died and that none has taken in hand since, with that worker."""
        self.under_way: set[Attempt] = set()

    def wrap(self, middleware: list[Middleware]) -> list[Middleware]:
        """With ours around and inside, wherever they stood."""
        own = (self.outermost, self.innermost)
        return [self.outermost, *(one for one in middleware if one not in own), self.innermost]

    async def outermost(self, job: Job, call_next: CallNext) -> object:
        """Notes what is under way."""
        attempt = running.get()
        self.runs[job.id] += 1
        self.unsettled.pop(job.id, None)
        forget = self._enter(attempt)
        try:
            self._pass("before_start", attempt)
            try:
                return await call_next(job)
            finally:
                self._pass("before_ack", attempt)
        finally:
            forget()

    async def innermost(self, job: Job, call_next: CallNext) -> object:
        """The handler itself."""
        try:
            return await call_next(job)
        finally:
            self._pass("after_effect", running.get())

    def die(self) -> None:
        """The worker of the attempt under way dies here: raises WorkerDied; NoCurrentJob outside of attempts."""
        current()
        self._die(running.get())

    def _enter(self, attempt: Attempt) -> Callable[[], None]:
        loop = asyncio.get_running_loop()
        places = [self.under_way, loop.under_way] if isinstance(loop, DriveLoop) else [self.under_way]
        for place in places:
            place.add(attempt)

        def forget() -> None:
            for place in places:
                place.discard(attempt)

        return forget

    def _pass(self, point: Point, attempt: Attempt) -> None:
        if attempt.stop is Stop.LOST:
            return
        for crash in self.planned:
            if crash.strikes(point, attempt.job):
                crash.times -= 1
                self._die(attempt)

    def _die(self, attempt: Attempt) -> None:
        attempt.stop = Stop.LOST  # as where the job is another worker's: whatever comes of it is not recorded
        self.unsettled[attempt.job.id] = attempt.job.worker or ""
        raise WorkerDied
