"""Jobs leave the store: by wish, by age, by number."""

from collections.abc import Collection, Mapping, Sequence

from headrace.model.change import APPLIED, MISSING, STALE, Verdict
from headrace.model.state import State
from headrace.storage.contract import Keep
from headrace.storage.keeping import Sweep, sweeps
from headrace.storage.memory.line import take_first
from headrace.storage.memory.store import Store


def delete(store: Store, ids: Sequence[str], states: Collection[State]) -> list[Verdict]:
    """Removes what doesn't run, with its keys."""
    return [_delete(store, job_id, states) for job_id in ids]


def _delete(store: Store, job_id: str, states: Collection[State]) -> Verdict:
    job = store.rows.jobs.get(job_id)
    if job is None:
        return MISSING
    if job.state is State.RUNNING or job.state not in states:
        return STALE
    store.keys.free(job)
    store.rows.remove(job)
    return APPLIED


def prune(
    store: Store,
    keep: Mapping[State, Keep],
    limit: int,
    of_queues: Mapping[str, Mapping[State, Keep]],
    entries: Mapping[str, float],
) -> int:
    """Jobs, and what else is kept for a time."""
    now = store.now()
    removed = 0
    for sweep in sweeps(keep, of_queues):
        removed += _sweep(store, sweep, now, limit - removed)
    store.keys.forget_lapsed(now)
    store.records.forget_lapsed(store.boot_now())
    return removed + store.timeline.prune(entries, now, limit)


def _sweep(store: Store, sweep: Sweep, now: int, limit: int) -> int:
    """By age first, then by number, oldest first."""
    ended = [(lane, sweep.rule_of(queue)) for queue, lane in store.rows.ended(sweep.state)]
    ruled = [(lane, lane.finals[sweep.state], rule) for lane, rule in ended if rule is not None]
    ageing = [(finals.ageing, now - round(rule.age * 1000)) for _, finals, rule in ruled]
    removed = _remove(store, take_first(ageing, limit))
    removed += _remove(store, take_first([(finals.expiring, now) for _, finals, _ in ruled], limit - removed))
    for lane, finals, rule in ruled:
        beyond = min(lane.counts[sweep.state] - rule.most, limit - removed)
        if beyond > 0:
            removed += _remove(store, finals.by_end.take(beyond))
    return removed


def _remove(store: Store, entries: Sequence[tuple[int, str]]) -> int:
    for _, job_id in entries:
        job = store.rows.jobs[job_id]
        store.keys.release(job)
        store.rows.remove(job)
    return len(entries)
