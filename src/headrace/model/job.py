"""The records: what is asked for (NewJob), what is kept (Job), and what each field means over a job's life."""

from enum import StrEnum

import msgspec

from headrace.model.outcome import Failure
from headrace.model.record import Put
from headrace.model.retry import RetryPolicy
from headrace.model.state import State

HIGH = 100
NORMAL = 1000
LOW = 10000
"""Priorities: lower first, 0 to 32,767, first come first served inside a level."""

HISTORY = 20
"""How many ended attempts a job remembers; the oldest go first."""
LOG_LINES = 100
"""How many lines of its handlers a job remembers; the oldest go first."""


class Encoding(StrEnum):
    """What ``payload`` is."""

    JSON = "json"
    """A JSON object, an argument a name."""
    BYTES = "bytes"
    """The user's own bytes, as base64 text."""


class Until(StrEnum):
    """How long a dedup key holds."""

    CLAIMED = "claimed"
    """Until the first claim; a retry does not take it back."""
    FINISHED = "finished"
    """Until any final state."""
    WINDOW = "window"
    """For a time of its own, whatever becomes of the job."""


class Options(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What the caller asked for this one job, beyond what its task says. None: as the task says."""

    timeout: float | None = None
    """Seconds an attempt may take; 0 is without limit."""
    max_attempts: int | None = None
    retry: RetryPolicy | None = None
    retention: float | dict[str, float] | None = None
    """Seconds the job is kept once final; or by state, where states left out go by the queue's rule."""
    headers: dict[str, str] = {}


DEFAULT_OPTIONS = Options()


class NewJob(msgspec.Struct, frozen=True, gc=False):
    """A request to run a task, complete and checked; only the storage's clock is missing."""

    id: str
    """UUIDv7, made by the client: the same id sent twice is one job."""
    task: str
    queue: str
    payload: str
    encoding: Encoding = Encoding.JSON
    priority: int = NORMAL
    delay: float = 0.0
    """Seconds from the insert, by the storage's clock; of no meaning beside ``at``."""
    at: int | None = None
    """The caller's own instant, milliseconds since 1970 UTC."""
    key: str | None = None
    until: Until = Until.FINISHED
    window: float | None = None
    """Seconds that the key holds, with ``Until.WINDOW``."""
    options: Options = DEFAULT_OPTIONS
    puts: tuple[Put, ...] = ()
    """Records that are written if and only if this job is: not where it is a duplicate. Without ``expect``."""


class AttemptRecord(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One attempt that ended."""

    attempt: int
    worker: str
    started_at: int
    finished_at: int
    outcome: str
    """``completed``, ``failed``, ``timeout``, ``rolled_back``, ``crashed``, ``cancelled``, ``snoozed``,
    ``throttled``, ``not_started`` or ``unknown_task``."""
    failure: Failure | None = None


class LogLine(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One line that a handler wrote to the job's log."""

    at: int
    """By the worker's clock."""
    attempt: int
    level: str
    text: str


class Notes(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What handlers told of their work on a job."""

    percent: float | None = None
    """0 to 100."""
    message: str | None = None
    noted_at: int | None = None
    """When the progress was recorded."""
    lines: tuple[LogLine, ...] = ()
    """Of the job's log, oldest first."""


class Job(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One row. Times are milliseconds since 1970 UTC by the storage's clock.

    The fields stand in the order in which storages read and write them.
    """

    id: str
    task: str
    queue: str
    payload: str
    encoding: Encoding
    state: State
    priority: int
    """Lower first."""
    due_at: int
    """Not before this; orders jobs inside a priority."""
    enqueued_at: int
    attempt: int = 0
    """Runs counted: rises at a claim; snooze, throttle, parking and hand-back give it back."""
    crashes: int = 0
    """How often a worker vanished with this job in hand. A budget of its own."""
    generation: int = 0
    """Rises at every claim and reclaim, never falls. With id and worker: the fence."""
    worker: str | None = None
    """While running: who holds it. Afterwards: who held it last."""
    alone: bool = False
    """Running, with nothing else in its process: only then may a crash be blamed on it."""
    rescued: bool = False
    """Running, but held by a rescuer that is about to settle it; no handler runs."""
    cancel_requested: bool = False
    """Somebody wants it stopped. Stands until the job is final: what comes too late for one attempt stops the next."""
    parked_at: int | None = None
    """When a worker first met it without knowing its task; None again once put back for another reason."""
    started_at: int | None = None
    """When the last attempt was claimed."""
    finished_at: int | None = None
    """When it became final; None again after an operator's retry."""
    key: str | None = None
    """Its dedup key; None once given up at a claim."""
    until: Until = Until.FINISHED
    options: Options = DEFAULT_OPTIONS
    reason: str | None = None
    """Why it is final, or was last put back: ``exhausted``, ``permanent``, ``poison``, ``unknown_task``, ..."""
    result: str | None = None
    """JSON text of what the handler returned, where that was not None."""
    result_error: str | None = None
    """Why the result could not be kept."""
    history: tuple[AttemptRecord, ...] = ()
    """The last attempts that ended without completing, oldest first."""
    notes: Notes | None = None
    """Progress and log lines."""

    @property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """The last attempts that ended, oldest first; the one that completed the job included."""
        if self.state is not State.COMPLETED:
            return self.history
        began = self.enqueued_at if self.started_at is None else self.started_at
        ended = began if self.finished_at is None else self.finished_at
        return (*self.history, AttemptRecord(self.attempt, self.worker or "", began, ended, "completed"))

    @property
    def last_error(self) -> str | None:
        """What went wrong in the last failed attempt, if any failed."""
        for record in reversed(self.history):
            if record.failure is not None:
                return record.failure.text
        return None


def retention_of(options: Options, state: State) -> float | None:
    """Seconds that a job with these options is kept once final in this state; None: as its queue says."""
    asked = options.retention
    return asked.get(state) if isinstance(asked, dict) else asked
