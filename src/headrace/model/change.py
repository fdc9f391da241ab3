"""Orders from the state machine to a storage: guarded patches, applied without judgement.

Memory calls these functions; every other storage does the same in its own language, and is compared with them.
"""

from enum import StrEnum

import msgspec
from msgspec.structs import replace

from headrace.model.job import HISTORY, AttemptRecord, Job, NewJob, Notes, Until
from headrace.model.notes import merged
from headrace.model.outcome import Failure
from headrace.model.record import Put
from headrace.model.state import FINAL, RUNNING, WAITING, State

_SCHEDULED, _PENDING, _RUNNING = State.SCHEDULED, State.PENDING, State.RUNNING
_CLAIMED = Until.CLAIMED
"""Python 3.11 takes an eighth of a microsecond to look a member up on its enum, and these are needed for every job."""


class Held(msgspec.Struct, frozen=True, gc=False):
    """Passes while this worker runs the job under this generation: the fence."""

    worker: str
    generation: int


class In(msgspec.Struct, frozen=True, gc=False):
    """Passes while the job is in one of these states."""

    states: frozenset[State]


Guard = Held | In


class Ended(msgspec.Struct, frozen=True, gc=False):
    """How an attempt ended that did not complete the job; becomes an AttemptRecord."""

    outcome: str
    failure: Failure | None = None


class Patch(msgspec.Struct, frozen=True, gc=False):
    """What changes. Every default means: as it was."""

    state: State | None = None
    delay: float | None = None
    """Seconds until it is due, from the storage's now; None keeps its due time, and so its place."""
    attempt: int = 0
    """Added to the attempts counted: -1 gives one back."""
    crashes: int = 0
    """Added to the crashes counted."""
    reset: bool = False
    """Attempts, crashes and parking start anew; result and finish are forgotten."""
    ended: Ended | None = None
    reason: str | None = None
    result: str | None = None
    result_error: str | None = None
    cancel_requested: bool | None = None
    alone: bool | None = None
    parked: bool = False
    """Notes now as the moment of its first parking, unless one is noted."""
    release_key: bool = False
    take_key: bool = False
    """Takes its dedup key back, or ends in the verdict HELD and changes nothing."""
    notes: Notes | None = None
    """Progress to put in place of what was noted, percent and message together, where either is given; and lines to
    add to the log. What its ``noted_at`` says doesn't count."""


class Change(msgspec.Struct, frozen=True, gc=False):
    """One guarded order. Follow-up jobs and puts exist if and only if it was applied."""

    job_id: str
    guard: Guard
    patch: Patch
    then: tuple[NewJob, ...] = ()
    puts: tuple[Put, ...] = ()


class Status(StrEnum):
    """What became of a change."""

    APPLIED = "applied"
    STALE = "stale"
    """The guard failed."""
    MISSING = "missing"
    """No such job."""
    HELD = "held"
    """Its dedup key is held by another job."""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The storage's answer to one change."""

    status: Status
    holder: str | None = None
    """With HELD: the job that holds the key."""


APPLIED = Verdict(Status.APPLIED)
STALE = Verdict(Status.STALE)
MISSING = Verdict(Status.MISSING)


def passes(guard: Guard, job: Job) -> bool:
    """Whether the job is as the guard wants it."""
    if isinstance(guard, Held):  # a match statement costs four times as much here, on the path of every completion
        return job.state is _RUNNING and job.generation == guard.generation and job.worker == guard.worker
    return job.state in guard.states


def inserted(new: NewJob, now: int) -> Job:
    """The row that a new job becomes."""
    due_at = new.at if new.at is not None else now + round(new.delay * 1000)
    return Job(
        new.id,  # by position, which takes half the time, as far as NewJob has the same order
        new.task,
        new.queue,
        new.payload,
        new.encoding,
        _PENDING if due_at <= now else _SCHEDULED,
        new.priority,
        due_at,
        now,
        key=new.key,
        until=new.until,
        options=new.options,
    )


def claimed(job: Job, worker: str, now: int) -> Job:
    """The row once ``worker`` has claimed it."""
    return replace(
        job,
        state=_RUNNING,
        attempt=job.attempt + 1,
        generation=job.generation + 1,
        worker=worker,
        alone=False,
        started_at=now,
        key=None if job.until is _CLAIMED else job.key,
    )


def reclaimed(job: Job, worker: str) -> Job:
    """The row once a rescuer has taken it over."""
    return replace(job, generation=job.generation + 1, worker=worker, rescued=True)


def patched(job: Job, patch: Patch, now: int) -> Job:
    """The row once ``patch`` is applied."""
    state = job.state if patch.state is None else patch.state
    leaves = job.state in RUNNING and state not in RUNNING
    reset = patch.reset
    return Job(  # by position, in the order of its fields: by name it takes twice the time
        job.id,
        job.task,
        job.queue,
        job.payload,
        job.encoding,
        state,
        job.priority,
        job.due_at if patch.delay is None else now + round(patch.delay * 1000),
        job.enqueued_at,
        0 if reset else max(0, job.attempt + patch.attempt),
        0 if reset else job.crashes + patch.crashes,
        job.generation,
        job.worker,
        False if leaves else job.alone if patch.alone is None else patch.alone,
        False if leaves else job.rescued,
        state not in FINAL and (job.cancel_requested if patch.cancel_requested is None else patch.cancel_requested),
        _parked_at(job, patch, state, now),
        job.started_at,
        job.finished_at if patch.state is None else now if state in FINAL else None,
        job.key,
        job.until,
        job.options,
        patch.reason if patch.state is not None else job.reason,
        None if reset else patch.result if patch.result is not None else job.result,
        None if reset else patch.result_error or job.result_error,
        job.history if patch.ended is None else _remembered(job, patch.ended, now),
        job.notes if patch.notes is None else merged(job.notes or Notes(), replace(patch.notes, noted_at=now)),
    )


def _parked_at(job: Job, patch: Patch, state: State, now: int) -> int | None:
    if patch.parked:
        return now if job.parked_at is None else job.parked_at
    # put back for another reason: its task is known again, and a later parking has the whole grace
    put_back = job.state in RUNNING and state in WAITING
    return None if patch.reset or put_back else job.parked_at


def _remembered(job: Job, ended: Ended, now: int) -> tuple[AttemptRecord, ...]:
    record = AttemptRecord(
        job.attempt, job.worker or "", job.started_at or job.enqueued_at, now, ended.outcome, ended.failure
    )
    return (*job.history, record)[-HISTORY:]


def stands(job: Job | None, change: Change) -> bool:
    """Whether the row is what this change has left, or what became of it since: it ended the hold that it was guarded
    by. For those who got no answer: nobody else ends a hold without taking the job over first."""
    state = change.patch.state
    if job is None or state is None or state in RUNNING or not isinstance(change.guard, Held):
        return False
    same_hold = job.generation == change.guard.generation and job.state not in RUNNING
    return same_hold and (state not in FINAL or job.state is state)


def is_settled(job: Job | None, change: Change) -> bool:
    """Whether this change, of which only a transaction of somebody else's knows what became, was committed there; or
    else nothing is left to be done about it. Only final jobs are ever removed, so a row that is gone was one."""
    return job is None or stands(job, change)


def promoted(job: Job) -> Job:
    """The row once its due time has come."""
    return replace(job, state=State.PENDING)


def carried(job: Job) -> Job:
    """The row as it goes to another store, where nobody holds it: one that runs waits there for its next run, as one
    that was handed back, and whoever held it here is fenced."""
    if job.state not in RUNNING:
        return job
    return replace(patched(job, Patch(State.PENDING, attempt=-1), 0), generation=job.generation + 1)


def order(job: Job) -> tuple[int, int, str]:
    """Jobs of one queue are claimed in ascending order of this."""
    return (job.priority, job.due_at, job.id)
