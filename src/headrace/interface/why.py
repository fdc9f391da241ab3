"""Why a job is where it is: reads what there is to know, and has the model explain it."""

from collections.abc import Collection, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from headrace.interface.core import JobReference, id_of
from headrace.interface.waiting import Waiting
from headrace.model.facts import Alive, Facts, Holder, Why
from headrace.model.job import Job
from headrace.model.presence import Presence
from headrace.model.rate import Bucket, next_free
from headrace.model.record import LIMIT, QUEUE, WORKER, QueueControl, Record
from headrace.model.state import FINAL, RUNNING, State
from headrace.model.why import explain
from headrace.runtime.registry import Handler, Where, policy_for
from headrace.storage.contract import Filter, Storage

_LOOKS = 5
"""How often to begin anew where the job moves while the rest is read."""
_HOLDERS = 10


class Explaining(Waiting):
    """One operation."""

    async def awhy(self, job: JobReference) -> Why:
        """Why this job is where it is: one plain answer, for a job in any state, and for one that is not there.

        An answer about this moment: it may be outdated when it arrives.
        """
        job_id = id_of(job)
        storage = (await self.here()).storage
        (found,) = await storage.get([job_id])
        for _ in range(_LOOKS):
            facts = await self._gather(storage, job_id, found)
            before, (found,) = found, await storage.get([job_id])
            if _place(found) == _place(before):
                break
        return explain(facts)

    async def _gather(self, storage: Storage, job_id: str, job: Job | None) -> Facts:
        now = await storage.now()
        if job is None:
            return Facts(job_id=job_id, now=now, expired=await self._is_expired(storage, job_id))
        if job.state in FINAL:
            return Facts(job_id=job_id, now=now, job=job)
        handler = self.registry.get(job.task)
        facts = Facts(
            job_id=job_id,
            now=now,
            job=job,
            max_attempts=self._max_attempts(job, handler),
            grace=self.settings.unknown_task_grace if self.registry.all() else None,
            in_process=None if handler is None else handler.where is Where.PROCESS,
        )
        if job.state in RUNNING:
            return await _of_running(storage, job, facts)
        return await _of_waiting(storage, job, facts, () if handler is None else handler.limits)

    def _max_attempts(self, job: Job, handler: Handler | None) -> int | None:
        """Known of tasks that this program registers, and where the caller asked for it."""
        if handler is None and job.options.retry is None:
            return job.options.max_attempts
        return policy_for(job, handler, self.queue_policies(), self.settings.retry).max_attempts


async def _of_running(storage: Storage, job: Job, facts: Facts) -> Facts:
    holder = job.worker or ""
    presences = {alive.id: alive.presence for alive in _told(await storage.records(WORKER, names=[holder]))}
    left = (await storage.leases()).get(holder)
    presence = presences.get(holder)
    return replace(
        facts,
        presence=presence,
        lease_left=left,
        lease=None if presence is None else presence.lease or None,
        workers=() if left is not None and left > 0 else await _workers(storage),
    )


async def _of_waiting(storage: Storage, job: Job, facts: Facts, limits: Collection[str]) -> Facts:
    controls = await storage.records(QUEUE, names=[job.queue])
    control = msgspec.json.decode(controls[0].value, type=QueueControl) if controls else QueueControl()
    workers = await _workers(storage)
    counts = await storage.count()
    return replace(
        facts,
        control=control,
        workers=workers,
        running=counts.get((job.queue, State.RUNNING), 0),
        due=counts.get((job.queue, State.PENDING), 0),
        holders=() if control.concurrency is None else await _holders(storage, job.queue, workers),
        free_at=await _free_at(storage, limits, facts.now),
    )


async def _workers(storage: Storage) -> Sequence[Alive]:
    """Records first, leases second: a worker has its lease before its record."""
    told = _told(await storage.records(WORKER))
    leases = await storage.leases() if told else {}
    return [alive for alive in told if leases.get(alive.id, 0.0) > 0]


def _told(records: Sequence[Record]) -> Sequence[Alive]:
    return [Alive(record.name, msgspec.json.decode(record.value, type=Presence)) for record in records]


async def _holders(storage: Storage, queue: str, workers: Sequence[Alive]) -> Sequence[Holder]:
    labels = {alive.id: alive.presence.label for alive in workers}
    page = await storage.find(Filter(RUNNING, queue), limit=_HOLDERS)
    return [Holder(job.id, job.task, job.worker or "", labels.get(job.worker or "")) for job in page.jobs]


async def _free_at(storage: Storage, limits: Collection[str], now: int) -> Mapping[str, int]:
    """Of the limits that have no permit, when the next one is free."""
    records = await storage.records(LIMIT, names=limits) if limits else ()
    buckets = {record.name: msgspec.json.decode(record.value, type=Bucket) for record in records}
    free_at = {name: next_free(bucket, now) for name, bucket in buckets.items()}
    return {name: at for name, at in free_at.items() if at > now}


def _place(job: Job | None) -> object:
    """What the answer hangs on; a job that notes its progress stays where it is."""
    if job is None:
        return None
    return job.state, job.generation, job.due_at, job.reason, job.rescued, job.alone, job.cancel_requested
