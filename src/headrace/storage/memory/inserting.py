"""New jobs become rows."""

from collections.abc import Iterable, Sequence

from headrace.model.change import inserted
from headrace.model.errors import PutLost
from headrace.model.job import NewJob
from headrace.model.record import Put
from headrace.storage.contract import Receipt
from headrace.storage.memory.store import Store


def insert(store: Store, jobs: Sequence[NewJob], puts: Sequence[Put]) -> Sequence[Receipt[object]]:
    """All of them, or PutLost."""
    lost = store.put_all(puts)
    if lost is not None:
        raise PutLost(lost.kind, lost.name)
    return insert_jobs(store, jobs, store.now())


def insert_jobs(store: Store, jobs: Iterable[NewJob], now: int) -> Sequence[Receipt[object]]:
    """Rows, keys, own puts and notices of new jobs."""
    there, add, keys = store.rows.jobs, store.rows.add, store.keys
    receipts: list[Receipt[object]] = []
    queues: set[str] = set()
    for new in jobs:
        if new.id not in there:
            if new.key is not None:
                holder = keys.holder(new.queue, new.key, now)
                if holder is not None:
                    receipts.append(Receipt(holder, duplicate=True, payload_differs=_differs(store, new, holder)))
                    continue
                keys.hold(new, new.key, now)
            add(inserted(new, now))
            if new.puts:
                store.put_all(new.puts)
            queues.add(new.queue)
        receipts.append(Receipt(new.id))
    store.notices.tell(f"queue:{queue}" for queue in queues)
    return receipts


def _differs(store: Store, new: NewJob, holder: str) -> bool:
    job = store.rows.jobs.get(holder)
    return job is not None and (job.task, job.payload, job.encoding) != (new.task, new.payload, new.encoding)
