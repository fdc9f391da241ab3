"""Reads."""

from collections.abc import Collection, Mapping
from itertools import islice

from headrace.model.job import Job
from headrace.model.state import RUNNING, State
from headrace.storage.contract import Filter, Page
from headrace.storage.memory.store import Store


def find(store: Store, where: Filter, limit: int, after: str | None) -> Page:
    """One more than asked for tells whether there is a next page."""
    rows = store.rows.running(after) if where.states == RUNNING else store.rows.newest_first(after)
    found = list(islice((job for job in rows if _matches(job, where)), limit + 1))
    return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)


def count(store: Store) -> Mapping[tuple[str, State], int]:
    """Of each queue and state that has any."""
    lanes = store.rows.lanes
    return {(queue, state): number for queue, lane in lanes.items() for state, number in lane.counts.items() if number}


def next_due(store: Store, queues: Collection[str]) -> float | None:
    """Over all of these queues."""
    now = store.now()
    waits: list[float] = []
    for lane in (store.rows.lanes[queue] for queue in queues if queue in store.rows.lanes):
        if lane.pending.first() is not None:
            return 0.0
        later = lane.later.first()
        if later is not None:
            waits.append(max(0, later[0] - now) / 1000)
    return min(waits, default=None)


def _matches(job: Job, where: Filter) -> bool:
    return (
        (where.states is None or job.state in where.states)
        and (where.queue is None or job.queue == where.queue)
        and (where.task is None or job.task == where.task)
        and (where.worker is None or job.worker == where.worker)
        and (where.cancel_requested is None or job.cancel_requested == where.cancel_requested)
    )
