"""The records of a history: who asked for what, what was answered, what handlers did.

They are written down outside the store, by those to whom it happened: producers, operators, workers and handlers. A
simulation has them all, in their true order; processes that get killed write what they can, each record in one line of
JSON, before a call and after it. ``at`` is in milliseconds of one clock that all writers share. The checker asks for no
more than is there: a check whose records are missing finds nothing.
"""

from collections.abc import Sequence

import msgspec

from headrace.model.job import Job, Until
from headrace.model.state import State


class Record(msgspec.Struct, frozen=True, tag=True, kw_only=True, gc=False):
    """What all records say."""

    at: int
    process: str
    """Who wrote it: unique for each start of a process. A part of one that does the work of several adds a dot and its
    own name."""


# --- those who ask ---------------------------------------------------------------------------------------------------


class Wanted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One job as its producer asked for it."""

    id: str
    task: str
    queue: str
    payload: str = "{}"
    priority: int = 100
    delay: float = 0.0
    """Seconds."""
    due_at: int | None = None
    """An instant of the user's own, instead of a delay."""
    key: str | None = None
    until: Until = Until.FINISHED
    window: float | None = None
    parent: str | None = None
    """The job whose completion brings this one along."""
    max_attempts: int | None = None
    """Runs that count which it may have, where its producer knows."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The receipt of one job wanted."""

    id: str
    duplicate: bool = False


class Enqueueing(Record, frozen=True, tag=True):
    """Before the call. ``call`` is unique within a process."""

    call: int
    jobs: Sequence[Wanted]


class Enqueued(Record, frozen=True, tag=True):
    """The call returned: from now on these jobs are promised. Receipts in the order of ``jobs``."""

    call: int
    answers: Sequence[Answer]


class NotEnqueued(Record, frozen=True, tag=True):
    """The call raised. With ``certain`` it has left nothing; else the jobs may be there, or come to be there."""

    call: int
    error: str
    certain: bool


class Ordering(Record, frozen=True, tag=True):
    """Before an operator's command: ``cancel``, ``retry``, ``run_now``, ``delete``."""

    call: int
    command: str
    jobs: Sequence[str]


class Ordered(Record, frozen=True, tag=True):
    """The command was answered; ``done`` are the jobs for which it says that it was carried out. ``waited``: of a
    cancel that says that they were waiting, and that nobody runs them."""

    call: int
    command: str
    done: Sequence[str]
    waited: bool = False


class Removed(Record, frozen=True, tag=True):
    """Final jobs that retention removed, by number."""

    number: int


class Declared(Record, frozen=True, tag=True):
    """A limit as it stands from now on: ``count`` permits come back in ``period`` milliseconds, at most ``burst``."""

    limit: str
    count: int
    period: int
    burst: int


class Scheduled(Record, frozen=True, tag=True):
    """A schedule whose ticks, from this moment on, must each bring exactly one job: nothing is skipped."""

    schedule: str
    ticks: Sequence[int]
    """Instants in milliseconds since 1970, as worked out by whoever wrote this, up to the end of the history."""


class Ceiling(Record, frozen=True, tag=True):
    """At most so many jobs of a queue may be running from now on; None: as many as there are."""

    queue: str
    most: int | None


# --- those who work --------------------------------------------------------------------------------------------------


class Leased(Record, frozen=True, tag=True):
    """A beat was accepted: this worker's lease lasts until then, on the clock of ``at``. Until ``at`` itself where the
    worker ended its lease."""

    worker: str
    until: int


class Granted(Record, frozen=True, tag=True):
    """The store gave a job to a worker, by a claim, or with ``rescued`` by a reclaim."""

    worker: str
    job: str
    queue: str
    priority: int
    due_at: int
    generation: int
    attempt: int
    crashes: int
    rescued: bool = False
    started_at: int | None = None
    """When it was claimed, as the row says: on the clock of ``due_at``, which the one of ``at`` may not be."""


class Settled(Record, frozen=True, tag=True):
    """A change that a worker made to a job it held under ``generation``, and whether the store let it through.

    ``state`` is None where the change left the job with its worker. ``delay`` is how many seconds it waits, None where
    it keeps its due time. ``heard`` is False where the answer never reached the worker. ``answered_at``: when the
    answer came, where ``at`` is when the change was asked for.
    """

    worker: str
    job: str
    generation: int
    state: State | None
    applied: bool
    reason: str | None = None
    result: str | None = None
    delay: float | None = None
    then: Sequence[str] = ()
    """Ids of the jobs that exist if and only if this was applied."""
    heard: bool = True
    answered_at: int | None = None


class Started(Record, frozen=True, tag=True):
    """A handler began."""

    job: str
    generation: int
    attempt: int
    payload: str = "{}"


class Ended(Record, frozen=True, tag=True):
    """A handler came to its end: ``returned``, ``raised``, or a wish such as ``snoozed``."""

    job: str
    generation: int
    outcome: str
    result: str | None = None


class Bought(Record, frozen=True, tag=True):
    """Permits of a limit that were given out at ``at``, the bucket's own instant; a negative number of them came back
    unused."""

    limit: str
    number: int


class Waited(Record, frozen=True, tag=True):
    """Somebody waited for a job's result and was told this one."""

    job: str
    state: State
    result: str | None


# --- the end ---------------------------------------------------------------------------------------------------------


class Died(Record, frozen=True, tag=True):
    """``process`` was killed: not written by itself."""


class Stopped(Record, frozen=True, tag=True):
    """``process`` was held (``for_`` milliseconds of it, as far as known), and went on."""

    for_: int


class Stepped(Record, frozen=True, tag=True):
    """The wall clock was stepped: what compares ``at`` with due times, windows of keys and permits is not judged."""


class Healed(Record, frozen=True, tag=True):
    """From now on nothing fails and nobody is killed: what was promised must come true."""


class Rows(Record, frozen=True, tag=True):
    """All that the store holds when everything has come to rest. The last record."""

    jobs: Sequence[Job]


AnyRecord = (
    Enqueueing
    | Enqueued
    | NotEnqueued
    | Ordering
    | Ordered
    | Removed
    | Declared
    | Scheduled
    | Ceiling
    | Leased
    | Granted
    | Settled
    | Started
    | Ended
    | Bought
    | Waited
    | Died
    | Stopped
    | Stepped
    | Healed
    | Rows
)

encode = msgspec.json.Encoder().encode
"""One record, as one line without its end."""
decode: "msgspec.json.Decoder[AnyRecord]" = msgspec.json.Decoder(AnyRecord)
