"""The state machine: (job, event) -> Change. The only place that names reasons.

Pure: no clock, no randomness, no I/O. Times come from the job's own fields, ``random`` from the caller.

A job whose cancel was requested is never put back to wait, nor dead: whatever ends its attempt without completing it
ends it cancelled. A wish that came too late to be known here stands on the row, and the next to claim the job ends it.
"""

from collections.abc import Callable
from itertools import takewhile
from typing import assert_never

from headrace.model.change import Change, Ended, Guard, Held, In, Patch
from headrace.model.job import Job, Notes
from headrace.model.outcome import Crashed, Failure, Outcome, Raised, Refused, Returned, Snoozed, Stopped
from headrace.model.retry import RetryPolicy
from headrace.model.state import RUNNING, WAITING, State

CRASH_BUDGET = 3
"""Crashes after which a job that crashed while alone is dead."""
UNKNOWN_TASK_GRACE = 3600.0
"""Seconds that a job of an unknown task is parked, so that deploys can roll."""

DEAD_REASONS = frozenset({"exhausted", "permanent", "given_up", "poison", "unknown_task"})
"""Why a job can be dead: its attempts are used up; it said that it can never succeed; its error is in ``give_up_on``;
it crashed alone, and too often; nobody knew its task for too long."""

Command = Callable[[Job], Change | None]
"""An operator's wish about one job; None where the job's state doesn't allow it."""

_FAILED_AS = {"Timeout": "timeout", "RolledBack": "rolled_back"}
"""How an attempt is recorded that failed in a way of its own."""
_CRASH_BACKOFF = RetryPolicy(base=1.0)
_SHORTEST_PARKING = 1.0
_LONGEST_PARKING = 300.0

_RETURNED = Patch(State.COMPLETED, release_key=True)
_INTERRUPTED = Patch(State.PENDING, attempt=-1, reason="interrupted")
_STAMP_ALONE = Patch(alone=True)
_REQUEST_CANCEL = Patch(cancel_requested=True)
_NOW = 0.0


def settle(job: Job, outcome: Outcome, policy: RetryPolicy, random: float, budget: int = CRASH_BUDGET) -> Change:
    """An attempt has answered. ``random`` in [0, 1) jitters the retry delay, which a throttled job waits too where it
    is longer than what the upstream asked for."""
    match outcome:
        case Returned():
            return complete(job, outcome)
        case Raised(failure, final):
            patch = _failed(job, failure, final, policy, random)
        case Refused(failure):
            patch = _dead("permanent", Ended("failed", failure))
        case Snoozed(delay, reason):
            if reason == "throttled":
                delay = max(delay, policy.delay(_throttles_in_a_row(job) + 1, random))
            patch = Patch(State.SCHEDULED, delay=delay, attempt=-1, ended=Ended(reason), reason=reason)
        case Stopped(reason):
            patch = _cancelled(Ended("cancelled", Failure("Cancelled", reason)))
        case Crashed(failure):
            patch = _crashed(job, failure, random, budget, alone=True)
        case _:
            assert_never(outcome)
    return _unless_cancelled(job, patch)


def complete(job: Job, outcome: Returned) -> Change:
    """Its handler returned: no policy has a say in that, and no wish to cancel."""
    return Change(job.id, Held(job.worker or "", job.generation), _returned(outcome))


def _unless_cancelled(job: Job, patch: Patch) -> Change:
    """What ends an attempt without completing the job; or its cancellation, where somebody wants it stopped."""
    if job.cancel_requested:
        patch = _cancelled(patch.ended, patch.attempt if patch.ended is None else 0, patch.crashes)
    return Change(job.id, held(job), patch)


def _cancelled(ended: Ended | None, attempt: int = 0, crashes: int = 0) -> Patch:
    return Patch(State.CANCELLED, attempt=attempt, crashes=crashes, ended=ended, reason="cancelled", release_key=True)


def _throttles_in_a_row(job: Job) -> int:
    """How many of its last attempts, this one not counted, ended so."""
    return sum(1 for _ in takewhile(lambda record: record.outcome == "throttled", reversed(job.history)))


def _returned(outcome: Returned) -> Patch:
    if outcome.result is None and outcome.result_error is None:
        return _RETURNED
    text = None if outcome.result is None else outcome.result.decode()
    return Patch(State.COMPLETED, result=text, result_error=outcome.result_error, release_key=True)


def _failed(job: Job, failure: Failure, final: bool, policy: RetryPolicy, random: float) -> Patch:
    ended = Ended(_FAILED_AS.get(failure.kind, "failed"), failure)
    if final:
        return _dead("given_up", ended)
    if job.attempt >= policy.max_attempts:
        return _dead("exhausted", ended)
    reason = "rolled_back" if ended.outcome == "rolled_back" else "failed"
    return Patch(State.RETRYING, delay=policy.delay(max(1, job.attempt), random), ended=ended, reason=reason)


def _dead(reason: str, ended: Ended, *, crashes: int = 0) -> Patch:
    return Patch(State.DEAD, crashes=crashes, ended=ended, reason=reason, release_key=True)


def hand_back(job: Job) -> Change:
    """The worker stops before the attempt has answered: it runs again at once, no attempt burned."""
    return _unless_cancelled(job, _INTERRUPTED)


def drop(job: Job) -> Change:
    """It was claimed, and somebody wants it stopped before it started: no attempt burned."""
    failure = Failure("Cancelled", "cancelled before it started")
    return Change(job.id, held(job), _cancelled(Ended("cancelled", failure), attempt=-1))


def note(job: Job, notes: Notes) -> Change:
    """Its handler told something of its work. Only whoever runs the job may add to what it tells."""
    return Change(job.id, held(job), Patch(notes=notes))


def park(job: Job, grace: float = UNKNOWN_TASK_GRACE) -> Change:
    """This worker doesn't know the task. A newer one may: wait longer each time, until ``grace`` seconds are over."""
    claimed_at = job.started_at or job.enqueued_at
    parked = 0.0 if job.parked_at is None else (claimed_at - job.parked_at) / 1000
    if parked >= grace:
        failure = Failure("UnknownTask", f"no worker registered task {job.task!r}")
        return _unless_cancelled(job, _dead("unknown_task", Ended("unknown_task", failure)))
    delay = min(max(parked, _SHORTEST_PARKING), _LONGEST_PARKING, max(grace - parked, _SHORTEST_PARKING))
    patch = Patch(State.SCHEDULED, delay=delay, attempt=-1, reason="unknown_task", parked=True)
    return _unless_cancelled(job, patch)


def limit(job: Job, delay: float) -> Change:
    """A limit that its task names has no permit left: it has not started, and comes again when there may be one."""
    return _unless_cancelled(job, Patch(State.SCHEDULED, delay=delay, attempt=-1, reason="limited"))


def lapse(job: Job, random: float, budget: int = CRASH_BUDGET) -> Change:
    """Its worker vanished, and this job was reclaimed: one crash, which is no failure.

    Where other jobs ran beside it, any of them may have been the cause: it runs again, alone. Only a crash while
    alone can make it dead.
    """
    failure = Failure("Crash", "its worker vanished")
    return _unless_cancelled(job, _crashed(job, failure, random, budget, alone=job.alone))


def _crashed(job: Job, failure: Failure, random: float, budget: int, *, alone: bool) -> Patch:
    crashes = job.crashes + 1
    ended = Ended("crashed", failure)
    if alone and crashes >= budget:
        return _dead("poison", ended, crashes=1)
    delay = _CRASH_BACKOFF.delay(crashes, random)
    return Patch(State.RETRYING, delay=delay, attempt=-1, crashes=1, ended=ended, reason="crashed")


def await_solitude(job: Job, delay: float) -> Change:
    """It must run alone and its worker has too much else to do: elsewhere, or later. No attempt burned."""
    return _unless_cancelled(job, Patch(State.SCHEDULED, delay=delay, attempt=-1, reason="awaits_solitude"))


def stamp_alone(job: Job) -> Change:
    """Nothing else runs in this process: from now on a crash is this job's own."""
    return Change(job.id, held(job), _STAMP_ALONE)


def cancel(job: Job) -> Change | None:
    """Somebody wants it stopped. None where it is final already."""
    if job.state in WAITING:
        return Change(job.id, In(WAITING), Patch(State.CANCELLED, reason="cancelled", release_key=True))
    if job.state in RUNNING:
        return Change(job.id, In(RUNNING), _REQUEST_CANCEL)
    return None


def retry(job: Job) -> Change | None:
    """An operator sends a dead job back, with new budgets. None where it isn't dead."""
    if job.state is not State.DEAD:
        return None
    guard: Guard = In(frozenset({State.DEAD}))
    return Change(job.id, guard, Patch(State.PENDING, delay=_NOW, reset=True, reason="retried", take_key=True))


def run_now(job: Job) -> Change | None:
    """An operator doesn't want to wait for its due time. None where it doesn't wait for one."""
    if job.state not in (WAITING - {State.PENDING}):
        return None
    guard = In(WAITING - {State.PENDING})
    return Change(job.id, guard, Patch(State.PENDING, delay=_NOW, reason="run_now"))


def held(job: Job) -> Held:
    """The fence: whoever claimed or reclaimed the job as it stands here."""
    return Held(job.worker or "", job.generation)
