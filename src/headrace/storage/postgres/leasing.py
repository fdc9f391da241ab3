"""Workers' leases, and what becomes of the jobs of those who let them run out."""

from collections.abc import Collection, Sequence

from headrace.model.job import Job
from headrace.storage.contract import Beat, Holding
from headrace.storage.postgres.queries import load_queries
from headrace.storage.postgres.rows import is_id, job_of
from headrace.storage.postgres.statement import Statement, Steps
from headrace.storage.postgres.telling import Told

_LEASE = load_queries("lease")


def beat(told: Told, worker: str, holding: Sequence[Holding], ttl: float) -> Steps[Beat]:
    """Renews the lease, then tells what was lost and what shall stop. Two statements: a rescuer that is about to take
    its jobs holds the worker's row until then, and the second one sees what it took."""
    yield Statement(_LEASE["extend"], (told.latest, worker, round(ttl * 1000)))
    ids = [one.job_id for one in holding if is_id(one.job_id)]
    rows = yield Statement(_LEASE["look"], (worker, ids))
    held = {(row[0], row[1]) for row in rows}
    lost = [one.job_id for one in holding if (one.job_id, one.generation) not in held]
    return Beat(lost, sorted(row[0] for row in rows if row[2]))


def leases(told: Told) -> Steps[dict[str, float]]:
    """Of every worker that is not forgotten."""
    rows = yield Statement(_LEASE["leases"], (told.latest,))
    return {worker: left / 1000 for worker, left in rows}


def is_reclaim_wanted(told: Told, worker: str) -> Steps[bool]:
    """Whether a reclaim would do anything."""
    rows = yield Statement(_LEASE["wanted"], (told.latest, worker))
    return bool(rows[0][0])


def reclaim(told: Told, worker: str, limit: int, queues: Collection[str] | None) -> Steps[list[Job]]:
    """Takes over what expired workers left. Their rows are locked first: one that beats at this moment either is no
    longer expired, or waits and then sees what it lost."""
    rows = yield Statement(_LEASE["expired"], (told.latest, worker))
    told.now = rows[0][0]
    if not rows[0][2]:
        return []
    gone = [row[1] for row in rows if row[1] is not None]
    where = (worker, gone, None if queues is None else list(queues), max(0, limit))
    before = {}
    jobs = []
    for row in (yield Statement(_LEASE["take_over"], where)):
        job = job_of(row[1:])
        before[job.id] = row[0]
        jobs.append(job)
    if gone:
        yield Statement(_LEASE["forget"], (gone,))
    return sorted(jobs, key=lambda job: (before[job.id], job.id))
