"""Workers' leases, and what becomes of the jobs of those who let them run out."""

from collections.abc import Collection, Mapping, Sequence
from itertools import islice

from headrace.model.change import reclaimed
from headrace.model.job import Job
from headrace.storage.contract import Beat, Holding
from headrace.storage.memory.store import Store


def beat(store: Store, worker: str, holding: Sequence[Holding], ttl: float) -> Beat:
    """Renews the lease, tells what was lost and what shall stop."""
    store.leases.extend(worker, ttl, store.boot_now())
    jobs = store.rows.jobs
    held: Collection[str] = store.rows.held_by.get(worker, ())
    lost = [
        held_one.job_id
        for held_one in holding
        if held_one.job_id not in held or jobs[held_one.job_id].generation != held_one.generation
    ]
    return Beat(lost, sorted(job_id for job_id in held if jobs[job_id].cancel_requested))


def leases(store: Store) -> Mapping[str, float]:
    """Of every worker that is not forgotten."""
    return store.leases.left(store.boot_now())


def reclaim(store: Store, worker: str, limit: int, queues: Collection[str] | None) -> list[Job]:
    """Takes over what expired workers left."""
    now = store.boot_now()
    if not store.leases.live(worker, now):
        return []
    left = (
        store.rows.jobs[job_id]
        for holder, held in sorted(store.rows.held_by.items())
        if not store.leases.live(holder, now)
        for job_id in sorted(held)
    )
    batch: list[Job] = []
    for job in list(islice((job for job in left if queues is None or job.queue in queues), max(0, limit))):
        taken_over = reclaimed(job, worker)
        store.rows.replace(job, taken_over)
        batch.append(taken_over)
    store.leases.forget_ended(store.rows.held_by, now)
    return batch
