"""Why a job is where it is: facts -> one plain answer. Every combination of facts has exactly one."""

from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from headrace.model.facts import Facts, Reason, Why
from headrace.model.job import Job, Notes
from headrace.model.obstacles import cut, obstacles, will_run
from headrace.model.state import FINAL, RUNNING, State
from headrace.model.time_words import instant_words, span, until_words

SILENT = 0.5
"""A worker beats at least every third of its lease: with less than this share of it left, one is overdue."""


def explain(facts: Facts) -> Why:
    """The first of what is in the job's way, with the others behind it; or what became of it."""
    job = facts.job
    if job is None:
        return _absent(facts)
    if job.state in FINAL:
        return _final(facts, job)
    if job.state in RUNNING:
        return _running(facts, job)
    first, *others = [*obstacles(facts, job)] or [will_run(facts, job)]
    return _followed(first, tuple(others))


def _followed(first: Why, others: tuple[Why, ...]) -> Why:
    return replace(first, then=others) if others else first


def _absent(facts: Facts) -> Why:
    if facts.expired:
        sentence = "It is not in the store any more: it is older than the retention, and was probably removed."
        return Why(job_id=facts.job_id, reason=Reason.EXPIRED, sentence=sentence)
    return Why(job_id=facts.job_id, reason=Reason.UNKNOWN, sentence="The store knows no such job.")


def _final(facts: Facts, job: Job) -> Why:
    finished_at = facts.now if job.finished_at is None else job.finished_at
    error = cut(job.last_error)
    told = partial(
        Why,
        job_id=job.id,
        queue=job.queue,
        task=job.task,
        since=finished_at,
        attempt=job.attempt,
        worker=job.worker,
        error=error,
    )
    ago = f"{instant_words(finished_at)}, {span(max(0, facts.now - finished_at))} ago"
    if job.state is State.COMPLETED:
        return told(reason=Reason.COMPLETED, sentence=f"It completed at {ago}, in attempt {job.attempt}.")
    if job.state is State.CANCELLED:
        return told(reason=Reason.CANCELLED, sentence=f"It was cancelled at {ago}, and never runs again.")
    cause = f" ({job.reason})" if job.reason else ""
    sentence = f"It died at {ago}{cause}: {error or 'no error was kept'}. It waits for somebody to send it back."
    return told(reason=Reason.DEAD, sentence=sentence)


def _running(facts: Facts, job: Job) -> Why:
    told = partial(
        Why,
        job_id=job.id,
        queue=job.queue,
        task=job.task,
        since=facts.now if job.started_at is None else job.started_at,
        attempt=job.attempt,
        max_attempts=facts.max_attempts,
        worker=job.worker,
        label=None if facts.presence is None else facts.presence.label,
    )
    who = f"claim {job.worker}" if facts.presence is None else f"worker {facts.presence.label}"
    gone = _gone(facts, job, who, told)
    if gone is not None:
        return gone
    if job.cancel_requested:
        sentence = f"Somebody wants it stopped: {who} does so once it hears of that and the handler gives way."
        return told(reason=Reason.CANCEL_REQUESTED, sentence=sentence)
    if job.crashes and not job.alone and not facts.in_process:
        return told(reason=Reason.WAITS_TO_RUN_ALONE, sentence=_alone(facts, who))
    return _at_work(facts, job, told)


def _gone(facts: Facts, job: Job, who: str, told: Callable[..., Why]) -> Why | None:
    """Where its worker is not there any more, or may not be."""
    left = facts.lease_left or 0.0
    if left <= 0:
        next_step = "another takes it over within seconds" if facts.workers else "no live worker can take it over"
        sentence = f"The lease of {who} has run out, and it may have crashed: {next_step}."
        return told(reason=Reason.WORKER_LOST, sentence=sentence)
    if job.rescued:
        sentence = f"Its worker vanished; {who} has taken it over and is about to put it back."
        return told(reason=Reason.BEING_RESCUED, sentence=sentence)
    if facts.lease is None or left >= facts.lease * SILENT:
        return None
    until = facts.now + round(left * 1000)
    sentence = (
        f"Nothing was heard of {who} for {span((facts.lease - left) * 1000)}: if it crashed, its lease runs out at "
        f"{until_words(until, facts.now)}, and another takes the job over."
    )
    return told(reason=Reason.WORKER_SILENT, sentence=sentence, until=until, seconds=left)


def _alone(facts: Facts, who: str) -> str:
    sentence = f"It has a crash behind it, and {who} waits until nothing else runs beside it"
    unless = "" if facts.in_process is not None else ", unless its task runs in a process of its own"
    return f"{sentence}{unless}."


def _at_work(facts: Facts, job: Job, told: Callable[..., Why]) -> Why:
    since = facts.now if job.started_at is None else job.started_at
    lasted = max(0, facts.now - since)
    if facts.presence is None:
        until = facts.now + round((facts.lease_left or 0.0) * 1000)
        when = until_words(until, facts.now)
        sentence = f"It was claimed by hand, {span(lasted)} ago; unless that claim is renewed, it ends at {when}."
        return told(reason=Reason.RUNNING, sentence=sentence, until=until, seconds=lasted / 1000)
    notes = job.notes or Notes()
    where = f"worker {facts.presence.label} (process {facts.presence.pid} on {facts.presence.host})"
    noted = [f"{notes.percent:.0f} %"] if notes.percent is not None else []
    noted += [cut(notes.message) or ""] if notes.message else []
    progress = f": {', '.join(noted)}" if noted else ""
    sentence = f"It runs on {where} for {span(lasted)} by now, in attempt {job.attempt}{progress}."
    return told(
        reason=Reason.RUNNING,
        sentence=sentence,
        seconds=lasted / 1000,
        percent=notes.percent,
        message=notes.message,
    )
