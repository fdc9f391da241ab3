"""One run of one job in this process, and what its handler may ask about it."""

import asyncio
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from enum import StrEnum
from typing import Protocol

from headrace.model import notes
from headrace.model.change import Change
from headrace.model.errors import AlreadyCompleted, NoCurrentJob, NotInProcess
from headrace.model.job import Job, NewJob
from headrace.model.kv import kv_puts
from headrace.runtime.job_log import JobLog
from headrace.runtime.registry import Handler
from headrace.runtime.services import Completions, Services


class Stop(StrEnum):
    """Why a running handler was told to stop. Told by us: told apart from exceptions that handlers raise."""

    CANCEL = "cancel"
    TIMEOUT = "timeout"
    INTERRUPT = "interrupt"
    """The worker stops: the job is handed back."""
    LOST = "lost"
    """The job is another worker's by now: whatever comes of this attempt is not recorded."""


class Attempt:
    """Mutable, and of one loop; ``stop`` is read by handler threads."""

    __slots__ = (
        *("ended", "ended_at", "enlisted", "handler", "job", "measured"),
        *("services", "started", "stop", "task", "waiting"),
    )

    def __init__(self, job: Job, handler: Handler, services: Services) -> None:
        self.job = job
        self.handler = handler
        self.services = services
        self.started = 0.0
        """By the monotonic clock."""
        self.ended = False
        """Its handler has ended; what became of it may not be recorded yet."""
        self.ended_at = 0.0
        """By the monotonic clock; set before what became of it is recorded."""
        self.enlisted: Change | None = None
        """The completion that its handler put into a transaction of its own: what became of it, the store knows."""
        self.measured = False
        """The tally has taken note of how long its job waited."""
        self.stop: Stop | None = None
        self.task: asyncio.Task[None] | None = None
        """Set while cancelling it stops the handler."""
        self.waiting: asyncio.Task[object] | None = None
        """Set while it waits for a thread: cancelling it stops the waiting only."""

    @property
    def timeout(self) -> float:
        """Seconds this attempt may take; 0 is without limit."""
        own = self.job.options.timeout
        return self.handler.timeout if own is None else own

    def stop_for(self, stop: Stop) -> None:
        """Tell the handler to stop. The first reason stands, but for an interrupt or a loss, which win. The same wish
        told again changes nothing: it must not break into a handler that cleans up. A job whose completion may be
        committed counts as lost for whoever asks who holds it: that stops nobody."""
        if stop is self.stop or (self.stop is not None and stop not in (Stop.INTERRUPT, Stop.LOST)):
            return
        if stop is Stop.LOST and self.enlisted is not None:
            return
        self.stop = stop
        if self.task is not None:
            self.task.cancel()

    def interrupt(self) -> None:
        """The worker stops: give way now. A thread can't; its attempt is left to itself and fenced."""
        self.stop_for(Stop.INTERRUPT)
        if self.waiting is not None:
            self.waiting.cancel()


class Following(Protocol):
    """A call of a task, as ``task.call(...)`` makes it."""

    def make(self, job_id: str) -> NewJob:
        """The new job that it stands for."""
        ...


class Current:
    """What a handler may ask about the job it runs for, tell of it, and have done with it."""

    __slots__ = ("_attempt",)

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    @property
    def job(self) -> Job:
        """The job as it was claimed."""
        return self._attempt.job

    @property
    def attempt(self) -> int:
        """Which run this is, from 1."""
        return self._attempt.job.attempt

    @property
    def fence(self) -> int:
        """Rises with every claim of this job: a token that lets the user's own resources refuse an older run."""
        return self._attempt.job.generation

    @property
    def cancelled(self) -> bool:
        """Whether this run should stop soon. Sync handlers look at it; async ones are cancelled."""
        return self._attempt.stop is not None

    def progress(self, percent: float, message: str | None = None) -> None:
        """How far this run is, 0 to 100, with at most 1 KiB about it. It is shown by ``headrace show`` and as
        ``job.notes`` some half a second later; the latest word stands. Returns at once."""
        self._attempt.services.notebook.note(self._attempt, notes.progress(percent, message))

    @property
    def log(self) -> JobLog:
        """A logger whose lines are kept with the job: the last 100, each of at most 1 KiB, ``info`` and worse. They
        also go to the logger ``headrace.job``."""
        return JobLog(self._attempt)

    def then(self, *calls: Following, kv: Mapping[str, object] | None = None) -> Sequence[str]:
        """Enqueue these calls, and write these records, if and only if this run completes the job: in the same step.

        The ids that the jobs will have; a call whose dedup key is held by then makes none. ``kv`` is as in ``using``.
        AttemptEnded once the handler has returned, AlreadyCompleted after ``complete_in``.
        """
        services = self._attempt.services
        if self._attempt.enlisted is not None:
            raise AlreadyCompleted(self.job.id, "what comes with its completion is said before complete_in")
        jobs = [call.make(services.new_id()) for call in calls]
        services.notebook.follow(self._attempt, jobs, kv_puts(kv or {}))
        return [job.id for job in jobs]

    def complete_in(self, session: object, result: object = None) -> None:
        """Complete the job inside the handler's own transaction: if and only if that is committed, the job is done,
        with ``result``, with what ``then`` was told, and with all that the transaction has written. ``session`` is as
        in ``using``, and a sync one. Call it last, commit, and return.

        LeaseLost where the job is somebody else's by now; AlreadyCompleted where it was called before, unless that
        transaction was rolled back. A handler that returns without having committed has failed: ``rolled_back``.
        """
        completions_of(self._attempt, "complete_in").complete(self._attempt, session, result)

    async def acomplete_in(self, session: object, result: object = None) -> None:
        """``complete_in`` with an async session, or with a sync one."""
        await completions_of(self._attempt, "acomplete_in").acomplete(self._attempt, session, result)


def completions_of(attempt: Attempt, what: str) -> Completions:
    """What completes it early, or NotInProcess."""
    if attempt.services.completions is None:
        raise NotInProcess(f"current().{what}", "return the result, or leave executor= out")
    return attempt.services.completions


running: ContextVar[Attempt] = ContextVar("headrace_attempt")
"""The attempt that the present code runs for."""


def current() -> Current:
    """The job that the present code runs for, or NoCurrentJob."""
    attempt = running.get(None)
    if attempt is None:
        raise NoCurrentJob
    return Current(attempt)
