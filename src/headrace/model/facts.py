"""What is known of one job, and the answer that follows from it: see ``why.explain``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from headrace.model.job import Job
from headrace.model.presence import Presence
from headrace.model.record import QueueControl


class Reason(StrEnum):
    """Why a job is where it is. In the order in which they are looked at, inside each group."""

    UNKNOWN = "unknown"
    """The store knows no such job."""
    EXPIRED = "expired"
    """It is not in the store any more: older than the retention."""
    COMPLETED = "completed"
    DEAD = "dead"
    CANCELLED = "cancelled"

    BEING_RESCUED = "being_rescued"
    """Its worker vanished, and another is settling it."""
    WORKER_LOST = "worker_lost"
    """Its worker vanished: the lease has run out."""
    WORKER_SILENT = "worker_silent"
    """Its worker was not heard of for longer than it should be: it may have crashed, and its lease runs out soon."""
    CANCEL_REQUESTED = "cancel_requested"
    """Somebody wants it stopped."""
    WAITS_TO_RUN_ALONE = "waits_to_run_alone"
    """It has a crash behind it, and runs only where nothing else runs in the process."""
    RUNNING = "running"

    NOT_DUE = "not_due"
    """Delayed by whoever enqueued it."""
    SNOOZED = "snoozed"
    THROTTLED = "throttled"
    LIMITED = "limited"
    """A limit of its task has no permit."""
    RETRYING = "retrying"
    """Waits after a failure."""
    CRASHED = "crashed"
    """Waits after a crash of its worker."""
    PARKED = "parked"
    """Waits because no worker that took it knew its task."""

    QUEUE_PAUSED = "queue_paused"
    NO_WORKER = "no_worker"
    """No live worker serves its queue."""
    TASK_UNREGISTERED = "task_unregistered"
    """Live workers serve its queue, and none of them registers its task."""
    QUEUE_COOLS = "queue_cools"
    CEILING_FULL = "ceiling_full"
    WILL_RUN = "will_run"
    """Nothing is in its way."""


class Alive(msgspec.Struct, frozen=True):
    """A worker whose lease stands, and what it tells of itself."""

    id: str
    presence: Presence


class Holder(msgspec.Struct, frozen=True):
    """A running job that takes up a place under a ceiling."""

    job_id: str
    task: str
    worker: str
    label: str | None
    """Of its worker, where that is known."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of the store; of what a job's state makes pointless to know, nothing."""

    job_id: str
    now: int
    """The storage's clock."""
    job: Job | None = None
    expired: bool = False
    """Without a job: whether its id is older than the retention."""
    control: QueueControl = QueueControl()
    workers: Sequence[Alive] = ()
    """All that live and tell of themselves."""
    presence: Presence | None = None
    """Of the worker that holds it; None where that tells nothing, as who claims by hand."""
    lease_left: float | None = None
    """Seconds until the lease of the worker that holds it runs out; None where there is none."""
    lease: float | None = None
    """Seconds that this lease lasts from each beat; None where it is not known."""
    running: int = 0
    """How many jobs of its queue run."""
    due: int = 0
    """How many jobs of its queue are pending."""
    holders: Sequence[Holder] = ()
    """Some of the jobs of its queue that run."""
    free_at: Mapping[str, int] = {}
    """Of each limit that its task names: the instant of the next permit."""
    max_attempts: int | None = None
    """None where it is not known."""
    grace: float | None = None
    """Seconds that jobs of unknown tasks are parked; None where it is not known."""
    in_process: bool | None = None
    """Whether its task runs in a process of its own; None where it is not known."""


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """One plain answer. Fields that have nothing to do with the reason are None or empty."""

    job_id: str
    reason: Reason
    sentence: str
    """The answer in English, for people. Its words may change."""
    then: tuple[Why, ...] = ()
    """What else is in its way once that is gone, as things stand."""
    queue: str | None = None
    task: str | None = None
    until: int | None = None
    """When it ends, as far as that is known, milliseconds since 1970 UTC."""
    seconds: float | None = None
    """The same from now; or for how long the job has been running."""
    since: int | None = None
    """When it began."""
    attempt: int | None = None
    """The last attempt; of a job that waits, the number of failures or crashes behind it."""
    max_attempts: int | None = None
    worker: str | None = None
    """The id of the worker that holds or held it."""
    label: str | None = None
    """What that worker is called."""
    ceiling: int | None = None
    holders: tuple[Holder, ...] = ()
    """Some of the jobs that fill the ceiling."""
    running: int | None = None
    """How many jobs of its queue run."""
    slots: int | None = None
    """How many jobs of its queue its live workers can run at once."""
    due: int | None = None
    """How many other jobs of its queue are due. Which of them come first, only their claim tells."""
    limit: str | None = None
    percent: float | None = None
    message: str | None = None
    """What its handler noted last."""
    error: str | None = None
    """Its last error."""
