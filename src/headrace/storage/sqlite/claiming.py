"""Pending jobs become running ones."""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from headrace.model.change import claimed, order
from headrace.model.job import Job, Until
from headrace.model.record import QueueControl
from headrace.model.state import State
from headrace.storage.contract import Demand
from headrace.storage.sqlite.keys import free
from headrace.storage.sqlite.queries import load_queries
from headrace.storage.sqlite.transaction import Transaction, json_text

PROMOTED = 1000
"""How many due jobs of a queue one claim makes pending, at most: what keeps a claim flat when a million are due."""

_CLAIM = load_queries("claim")
_NO_CONTROL = QueueControl()


class _Ready(msgspec.Struct, array_like=True):
    """A queue in which a claim has something to do."""

    queue: str
    due: int
    control: str | None


_ready = msgspec.json.Decoder(list[_Ready])
_pair = msgspec.json.Decoder(tuple[int, int])


def nothing_to_claim(transaction: Transaction, worker: str, demands: Sequence[Demand]) -> bool:
    """Whether a claim would do nothing, and needs no lock."""
    return not _find_ready(transaction, worker, demands)


def claim(transaction: Transaction, worker: str, demands: Sequence[Demand]) -> list[Job]:
    """Promotes, then takes."""
    ready = _find_ready(transaction, worker, demands)
    batch: list[Job] = []
    for demand in demands:
        found = ready.get(demand.queue)
        if found is not None:
            if found.due:
                _promote(transaction, demand.queue)
            room = _room(transaction, demand, found.control)
            if room > 0:
                batch += _take(transaction, worker, demand.queue, room)
    return batch


def _find_ready(transaction: Transaction, worker: str, demands: Sequence[Demand]) -> dict[str, _Ready]:
    queues = json_text(list({demand.queue for demand in demands}))
    where = (queues, transaction.now, worker, transaction.boot, transaction.boot_id)
    return {found.queue: found for found in _ready.decode(transaction.text(_CLAIM["ready"], where))}


def _promote(transaction: Transaction, queue: str) -> None:
    where = (queue, transaction.now, PROMOTED)
    due, retrying = _pair.decode(transaction.text(_CLAIM["due"], where))
    transaction.run(_CLAIM["promote"], where)
    transaction.move(queue, State.RETRYING, State.PENDING, retrying)
    transaction.move(queue, State.SCHEDULED, State.PENDING, due - retrying)


def _room(transaction: Transaction, demand: Demand, control: str | None) -> int:
    obeyed = _NO_CONTROL if control is None else _decoded(control)
    if obeyed.rests(transaction.now):
        return 0
    if obeyed.concurrency is None:
        return demand.limit
    running = int(transaction.value(_CLAIM["running"], (demand.queue,)) or 0)
    return min(demand.limit, obeyed.concurrency - running)


@lru_cache(maxsize=1024)
def _decoded(value: str) -> QueueControl:
    return msgspec.json.decode(value, type=QueueControl)


def _take(transaction: Transaction, worker: str, queue: str, room: int) -> list[Job]:
    jobs = transaction.jobs(_CLAIM["first_pending"], (queue, room))
    if not jobs:
        return jobs
    transaction.run(_CLAIM["start"], (queue, room, worker, transaction.now))
    transaction.move(queue, State.PENDING, State.RUNNING, len(jobs))
    free(transaction, [(queue, job.key, job.id) for job in jobs if job.until is Until.CLAIMED])
    jobs.sort(key=order)
    return [claimed(job, worker, transaction.now) for job in jobs]
