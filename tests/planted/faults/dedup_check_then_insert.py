from collections.abc import Sequence
from typing import Any

from headrace.interface import jobs
from headrace.model.job import NewJob
from headrace.storage.contract import Receipt
from headrace.storage.memory import inserting
from tests.planted.planting import SLOW, Fault, instead, value


async def _insert_in_two_steps(storage: Any, new: Sequence[NewJob]) -> Sequence[Receipt[object]]:
    keys, now = storage._inner._store.keys, await storage.now()
    receipts: list[Receipt[object]] = []
    free: dict[object, NewJob] = {}
    for job in new:
        holder = None if job.key is None else keys.holder(job.queue, job.key, now)
        first = free.setdefault((job.queue, job.key) if job.key else job.id, job) if holder in (None, job.id) else None
        taken = holder if first is None else first.id
        receipts.append(Receipt(taken or job.id, duplicate=taken != job.id))
    await storage.insert(list(free.values()))
    return receipts


FAULT = Fault(
    wrong="Whether a key is held is asked in one call, and the job is inserted in the next.",
    disaster="Two requests in one moment each saw that there was no such job, and both made it.",
    edits=[
        instead(inserting.insert_jobs, "keys.holder(new.queue, new.key, now)", "None"),
        value(jobs, "_insert_in_two_steps", _insert_in_two_steps),
        instead(
            jobs.Jobs.aenqueue_many,
            "await handle.storage.insert(jobs) if jobs else ()",
            "await _insert_in_two_steps(handle.storage, jobs)",
        ),
    ],
    under=SLOW,
)
