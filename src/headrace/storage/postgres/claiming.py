"""Pending jobs become running ones: in one statement where nothing is in the way, else in a short transaction."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from headrace.model.change import order
from headrace.model.job import Job
from headrace.model.record import QueueControl
from headrace.storage.contract import Demand
from headrace.storage.postgres.front import Front
from headrace.storage.postgres.queries import load_queries
from headrace.storage.postgres.rows import job_of
from headrace.storage.postgres.statement import Row, Statement, Steps
from headrace.storage.postgres.telling import Told

PROMOTED = 1000
"""How many due jobs of a queue one claim makes pending, at most: what keeps a claim flat when a million are due."""

_CLAIM, _INSERT = load_queries("claim"), load_queries("insert")
_NO_CONTROL = QueueControl()
_BESIDE = 5
"""Columns beside those of a job: the moment, what is in the way, and how long the way was."""

Slow = Mapping[str, bool]
"""Queues in which something is in the way, and whether jobs of theirs are due that are not pending yet."""


def claim(
    told: Told, worker: str, demands: Sequence[Demand], front: Front, monotonic: float
) -> Steps[list[Job] | Slow]:
    """The jobs; or, with nothing changed, which queues want a transaction."""
    demands = merged(demands)
    rows = yield Statement(_CLAIM["claim"], (told.latest, worker, *_columns(demands, front, monotonic)))
    told.now = rows[0][0]
    if rows[0][1] is not None:
        slow = {row[1]: bool(row[2]) for row in rows}
        return [] if _all_rest(told, demands, rows) else slow
    jobs = [] if rows[0][_BESIDE] is None else [job_of(row[_BESIDE:]) for row in rows]
    for demand in demands:
        front.note(demand, [job for job in jobs if job.queue == demand.queue], rows[0][4] or 0, monotonic)
    return _in_order(jobs, demands)


def _columns(demands: Sequence[Demand], front: Front, monotonic: float) -> tuple[list[object], ...]:
    queues = [demand.queue for demand in demands]
    wholes = [front.is_whole(queue, monotonic) for queue in queues]
    stretches = [(queue, *stretch) for queue in queues for stretch in front.stretches(queue, monotonic)]
    rooms = [demand.limit for demand in demands]
    return (list(queues), list(rooms), list(wholes), *map(list, zip(*stretches, strict=True)))


def claim_slowly(told: Told, worker: str, demands: Sequence[Demand], slow: Slow) -> Steps[list[Job]]:
    """Under the control of the queues: those with a ceiling are claimed from by one after another."""
    demands = merged(demands)
    ((told.now, lease),) = yield Statement(_INSERT["moment"], (told.latest,))
    found = yield Statement(_CLAIM["controls"], (sorted(slow), lease))
    controls = {name: _decoded(value) for name, value in found}
    due = [queue for queue, is_due in slow.items() if is_due]
    if due:
        yield Statement(_CLAIM["promote"], (due, told.now, PROMOTED))
    limited = [name for name, control in controls.items() if control.concurrency is not None]
    counted = (yield Statement(_CLAIM["running"], (limited,))) if limited else ()
    running = {row[0]: int(row[1]) for row in counted}
    rooms = {demand.queue: _room(told.now, demand, controls, running) for demand in demands}
    queues = [queue for queue, room in rooms.items() if room > 0]
    if not queues:
        return []
    where = (told.now, worker, queues, [rooms[queue] for queue in queues])
    return _in_order([job_of(row) for row in (yield Statement(_CLAIM["take"], where))], demands)


def merged(demands: Sequence[Demand]) -> Sequence[Demand]:
    """Each queue once."""
    rooms: dict[str, int] = {}
    for demand in demands:
        rooms[demand.queue] = rooms.get(demand.queue, 0) + max(0, demand.limit)
    return [Demand(queue, room) for queue, room in rooms.items()]


def _all_rest(told: Told, demands: Sequence[Demand], rows: Sequence[Row]) -> bool:
    """Whether every queue demanded gives nothing, and nothing is to be promoted."""
    resting = {row[1] for row in rows if not row[2] and row[3] is not None and _decoded(row[3]).rests(told.now)}
    return resting >= {demand.queue for demand in demands}


def _room(now: int, demand: Demand, controls: Mapping[str, QueueControl], running: Mapping[str, int]) -> int:
    obeyed = controls.get(demand.queue, _NO_CONTROL)
    if obeyed.rests(now):
        return 0
    if obeyed.concurrency is None:
        return demand.limit
    return min(demand.limit, obeyed.concurrency - running.get(demand.queue, 0))


@lru_cache(maxsize=1024)
def _decoded(value: str) -> QueueControl:
    return msgspec.json.decode(value, type=QueueControl)


def _in_order(jobs: list[Job], demands: Sequence[Demand]) -> list[Job]:
    if len(demands) == 1:
        jobs.sort(key=order)
        return jobs
    places = {demand.queue: place for place, demand in enumerate(demands)}
    return sorted(jobs, key=lambda job: (places[job.queue], *order(job)))
