"""Changes of jobs, one after another."""

from collections.abc import Sequence

from headrace.model.change import APPLIED, MISSING, STALE, Change, Status, Verdict, passes, patched
from headrace.model.job import Job
from headrace.model.state import FINAL, State
from headrace.storage.memory.inserting import insert_jobs
from headrace.storage.memory.store import Store

_PENDING, _RUNNING = State.PENDING, State.RUNNING


def apply(store: Store, changes: Sequence[Change]) -> list[Verdict]:
    """Each change against what the ones before it left."""
    now = store.now()
    left: set[str] = set()
    verdicts = [_apply(store, change, now, left) for change in changes]
    store.notices.tell(f"queue:{queue}" for queue in left if store.records.has_ceiling(queue))
    return verdicts


def _apply(store: Store, change: Change, now: int, left: set[str]) -> Verdict:
    """``left`` takes the queues that have a running job less."""
    job = store.rows.jobs.get(change.job_id)
    if job is None:
        return MISSING
    if not passes(change.guard, job):
        return STALE
    patch = change.patch
    if job.key is not None and patch.take_key:
        holder = store.keys.holder(job.queue, job.key, now)
        if holder is not None and holder != job.id:
            return Verdict(Status.HELD, holder)
    if change.puts and store.put_all(change.puts) is not None:
        return STALE
    after = patched(job, patch, now)
    store.rows.replace(job, after)
    if job.key is not None:
        if patch.take_key:
            store.keys.take_back(job, job.key)
        if patch.release_key:
            store.keys.release(job)
    if change.then:
        insert_jobs(store, change.then, now)
    if store.notices.wanted():
        topic = _topic(job, after)
        if topic is not None:
            store.notices.tell((topic,))
    if job.state is _RUNNING and after.state is not _RUNNING:
        left.add(job.queue)
    return APPLIED


def _topic(before: Job, after: Job) -> str | None:
    if after.state in FINAL:
        return f"job:{after.id}"
    if after.state is _PENDING:
        return f"queue:{after.queue}"
    if after.state is _RUNNING and after.cancel_requested and not before.cancel_requested:
        return f"worker:{after.worker}"
    return None
