"""Pending jobs become running ones."""

from collections.abc import Sequence

from headrace.model.change import claimed, promoted
from headrace.model.job import Job, Until
from headrace.model.state import State
from headrace.storage.contract import Demand
from headrace.storage.memory.leases import BootTime
from headrace.storage.memory.rows import Lane
from headrace.storage.memory.store import Store

PROMOTED = 1000
"""How many due jobs of a queue one claim makes pending, at most: what keeps a claim flat when a million are due."""

_RUNNING = State.RUNNING


def claim(store: Store, worker: str, demands: Sequence[Demand]) -> list[Job]:
    """Promotes, then takes."""
    boot_now, now = store.boot_now(), store.now()
    batch: list[Job] = []
    if store.leases.live(worker, boot_now):
        for demand in demands:
            lane = store.rows.lanes.get(demand.queue)
            if lane is not None:
                _promote(store, lane, now)
                room = _room(store, demand, lane, boot_now, now)
                if room > 0:
                    _take(store, worker, lane, room, now, batch)
    return batch


def _promote(store: Store, lane: Lane, now: int) -> None:
    for _, job_id in lane.later.take(PROMOTED, (now + 1,)):
        job = store.rows.jobs[job_id]
        store.rows.replace(job, promoted(job))


def _room(store: Store, demand: Demand, lane: Lane, boot_now: BootTime, now: int) -> int:
    control = store.records.control(demand.queue, boot_now)
    if control.rests(now):
        return 0
    if control.concurrency is None:
        return demand.limit
    return min(demand.limit, control.concurrency - lane.counts[_RUNNING])


def _take(store: Store, worker: str, lane: Lane, room: int, now: int, batch: list[Job]) -> None:
    jobs, start = store.rows.jobs, store.rows.start
    for _, _, job_id in lane.pending.take(room):
        job = jobs[job_id]
        if job.key is not None and job.until is Until.CLAIMED:
            store.keys.free(job)
        running = claimed(job, worker, now)
        start(running, lane)
        batch.append(running)
