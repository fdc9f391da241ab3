"""What is in the way of a job that waits, in the order in which a claim would meet it."""

from collections.abc import Iterator, Sequence
from functools import partial

from headrace.model.facts import Alive, Facts, Reason, Why
from headrace.model.job import Job
from headrace.model.presence import Presence
from headrace.model.state import State
from headrace.model.time_words import instant_words, span, until_words

LONGEST_ERROR = 200
_NAMED = 3
"""How many jobs that fill a ceiling are named in its sentence."""


def obstacles(facts: Facts, job: Job) -> Iterator[Why]:
    """Those that stand. Of a job that is not due, only what will outlast that."""
    told = partial(Why, job_id=job.id, queue=job.queue, task=job.task)
    not_due = job.state is not State.PENDING and job.due_at > facts.now
    if not_due:
        yield _not_due(facts, job)
    due_at = max(facts.now, job.due_at if not_due else 0)
    if facts.control.paused:
        sentence = f"Queue {job.queue!r} is paused: none of its jobs starts until somebody resumes it."
        yield told(reason=Reason.QUEUE_PAUSED, sentence=sentence)
    serving = [worker for worker in facts.workers if job.queue in worker.presence.queues]
    if not serving:
        yield told(reason=Reason.NO_WORKER, sentence=_nobody_serves(facts, job))
    elif not any(_may_know(worker.presence, job.task) for worker in serving):
        yield told(reason=Reason.TASK_UNREGISTERED, sentence=_nobody_knows(facts, job, serving))
    cools_until = facts.control.cools_until or 0
    if cools_until > due_at:
        sentence = f"Queue {job.queue!r} cools down: it gives no job before {until_words(cools_until, facts.now)}."
        yield told(reason=Reason.QUEUE_COOLS, sentence=sentence, until=cools_until, seconds=_left(facts, cools_until))
    ceiling = facts.control.concurrency
    if ceiling is not None and facts.running >= ceiling and not not_due:
        yield told(
            reason=Reason.CEILING_FULL,
            sentence=_full(facts, job, ceiling),
            ceiling=ceiling,
            running=facts.running,
            holders=tuple(facts.holders),
        )
    free_at, limit = max(((at, name) for name, at in facts.free_at.items()), default=(0, ""))
    if free_at > due_at and not (not_due and job.reason == "limited"):
        sentence = f"Limit {limit!r} has no permit before {until_words(free_at, facts.now)}."
        yield told(reason=Reason.LIMITED, sentence=sentence, limit=limit, until=free_at, seconds=_left(facts, free_at))


def will_run(facts: Facts, job: Job) -> Why:
    """Nothing is in its way."""
    others = max(0, facts.due - (job.state is State.PENDING))
    slots = sum(worker.presence.queues.get(job.queue, 0) for worker in facts.workers)
    begin = f"It is due, and will run{_alone(facts, job)}"
    if job.cancel_requested:
        begin = "Somebody wants it stopped: it ends cancelled"
    sentence = (
        f"{begin} as soon as a worker takes it; {_count(others, 'other job')} of queue {job.queue!r} "
        f"{'is' if others == 1 else 'are'} due too, and {facts.running:,} of {slots:,} slots are taken."
    )
    reason = Reason.CANCEL_REQUESTED if job.cancel_requested else Reason.WILL_RUN
    return Why(
        job_id=job.id,
        reason=reason,
        sentence=sentence,
        queue=job.queue,
        task=job.task,
        due=others,
        running=facts.running,
        slots=slots,
    )


def _not_due(facts: Facts, job: Job) -> Why:
    """Why it waits for its time."""
    when = until_words(job.due_at, facts.now)
    again = f"it is tried again at {when}"
    error = cut(job.last_error)
    told = partial(
        Why,
        job_id=job.id,
        queue=job.queue,
        task=job.task,
        worker=job.worker,
        error=error,
        until=job.due_at,
        seconds=_left(facts, job.due_at),
    )
    match job.reason:
        case "failed" | "rolled_back":
            of = "" if facts.max_attempts is None else f" of {facts.max_attempts}"
            sentence = f"Attempt {job.attempt}{of} failed ({error or 'without an error'}): {again}."
            return told(reason=Reason.RETRYING, sentence=sentence, attempt=job.attempt, max_attempts=facts.max_attempts)
        case "crashed":
            times = "once" if job.crashes == 1 else f"{job.crashes:,} times"
            alone = _alone(facts, job).replace(" ", ", ")
            sentence = f"Its worker or process died under it ({times} by now), which is no failure: {again}{alone}."
            return told(reason=Reason.CRASHED, sentence=sentence, attempt=job.crashes)
        case "unknown_task":
            return told(reason=Reason.PARKED, sentence=_parked(facts, job, again), since=job.parked_at)
        case "awaits_solitude":
            sentence = f"It must run alone, and the worker that took it had too much else to do: {again}."
            return told(reason=Reason.WAITS_TO_RUN_ALONE, sentence=sentence)
        case "limited":
            limit = max(facts.free_at, key=lambda name: facts.free_at[name], default=None)
            named = "A limit of its task" if limit is None else f"Limit {limit!r}"
            return told(reason=Reason.LIMITED, sentence=f"{named} had no permit left: {again}.", limit=limit)
        case "throttled":
            return told(reason=Reason.THROTTLED, sentence=f"Its handler was told to slow down: {again}.")
        case "snoozed":
            return told(reason=Reason.SNOOZED, sentence=f"Its handler snoozed it: {again}.")
        case _:
            return told(reason=Reason.NOT_DUE, sentence=f"It is not due before {when}.")


def _alone(facts: Facts, job: Job) -> str:
    """A process of its own is solitude enough."""
    return " alone" if job.crashes and not facts.in_process else ""


def _parked(facts: Facts, job: Job, again: str) -> str:
    since = facts.now if job.parked_at is None else job.parked_at
    sentence = f"No worker that took it knew its task {job.task!r}, for {span(facts.now - since)} by now: {again}"
    if facts.grace is None:
        return f"{sentence}."
    return f"{sentence}; dead if nobody knows it by {instant_words(since + round(facts.grace * 1000))}."


def _nobody_serves(facts: Facts, job: Job) -> str:
    others = "; those that live serve other queues" if facts.workers else ""
    return f"No live worker serves queue {job.queue!r}{others}."


def _nobody_knows(facts: Facts, job: Job, serving: Sequence[Alive]) -> str:
    who = f"The one live worker of queue {job.queue!r} does not register"
    if len(serving) > 1:
        who = f"None of the {len(serving):,} live workers of queue {job.queue!r} registers"
    parked = "" if job.parked_at is None else f"; it is parked for {span(facts.now - job.parked_at)} by now"
    return f"{who} its task {job.task!r}{parked}."


def _may_know(presence: Presence, task: str) -> bool:
    """Of very many tasks, a worker tells only the first."""
    return task in presence.tasks or presence.more_tasks > 0


def _full(facts: Facts, job: Job, ceiling: int) -> str:
    named = [f"{holder.job_id} ({holder.task} on {holder.label or holder.worker})" for holder in facts.holders[:_NAMED]]
    more = facts.running - len(named)
    by = ", ".join(named) + (f" and {more:,} more" if named and more > 0 else "")
    return f"Queue {job.queue!r} runs as many jobs as its ceiling of {ceiling:,} allows{': ' if by else ''}{by}."


def _left(facts: Facts, until: int) -> float:
    return max(0, until - facts.now) / 1000


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def cut(text: str | None) -> str | None:
    """The beginning of a text, on one line."""
    if text is None:
        return None
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_ERROR else f"{line[:LONGEST_ERROR]}…"
