"""What every conformance test stands on: one storage, one clock that only the test moves, and words for the usual."""

from collections.abc import Sequence
from typing import Any

from headrace.model import lifecycle
from headrace.model.change import Change, Status
from headrace.model.job import Job, NewJob
from headrace.model.outcome import Failure, Outcome, Raised, Returned
from headrace.model.record import QUEUE, Put
from headrace.model.retry import RetryPolicy
from headrace.model.state import State
from headrace.storage.contract import Demand, Filter, Receipt, Storage
from headrace.system.clock import ManualClock
from headrace.system.ids import Ids

LEASE = 30.0
"""Seconds that a beat of a test's worker lasts."""
PLAIN = RetryPolicy(max_attempts=3, jitter=0)
FAILED = Raised(Failure("ValueError", "no"))
GIVEN_UP = Raised(Failure("ValueError", "no"), final=True)


class Stage:
    """One store as a test sees it."""

    def __init__(self, storage: Storage, clock: ManualClock) -> None:
        self.storage = storage
        self.clock = clock
        self._ids = Ids(clock, seed=1)

    def new(self, **fields: Any) -> NewJob:
        """A new job with an id above all before it."""
        defaults: dict[str, Any] = {"id": self._ids.new(), "task": "t", "queue": "q", "payload": "{}"}
        return NewJob(**(defaults | fields))

    async def insert(self, **fields: Any) -> Receipt[object]:
        """Inserts one job."""
        return (await self.storage.insert([self.new(**fields)]))[0]

    async def enqueue(self, **fields: Any) -> str:
        """Inserts one job that is no duplicate."""
        receipt = await self.insert(**fields)
        assert not receipt.duplicate
        return receipt.id

    async def beat(self, *workers: str, ttl: float = LEASE) -> None:
        """These workers live."""
        for worker in workers or ("w",):
            await self.storage.beat(worker, [], ttl)

    async def claim(self, worker: str = "w", queue: str = "q", limit: int = 100) -> Sequence[Job]:
        """A worker that lives claims from one queue."""
        await self.beat(worker)
        return await self.storage.claim(worker, [Demand(queue, limit)])

    async def running(self, worker: str = "w", **fields: Any) -> Job:
        """A job that this worker has just claimed."""
        job_id = await self.enqueue(**fields)
        jobs = await self.claim(worker, fields.get("queue", "q"))
        assert [job.id for job in jobs] == [job_id]
        return jobs[0]

    async def abandoned(self, **fields: Any) -> Job:
        """A running job whose worker, ``gone``, has ended."""
        job = await self.running("gone", **fields)
        await self.beat("gone", ttl=0)
        return job

    async def job(self, job_id: str) -> Job:
        """A row that is there."""
        (job,) = await self.storage.get([job_id])
        assert job is not None
        return job

    async def apply(self, change: Change | None) -> Status:
        """Applies one change."""
        assert change is not None
        return (await self.storage.apply([change]))[0].status

    async def settle(self, job: Job, outcome: Outcome | None = None, policy: RetryPolicy = PLAIN) -> Job:
        """Its attempt has answered; the row then."""
        change = lifecycle.settle(job, Returned() if outcome is None else outcome, policy, 0.5)
        assert await self.apply(change) is Status.APPLIED
        return await self.job(job.id)

    async def finished(self, **fields: Any) -> Job:
        """A completed job."""
        return await self.settle(await self.running(**fields))

    async def dead(self, **fields: Any) -> Job:
        """A dead job."""
        return await self.settle(await self.running(**fields), GIVEN_UP)

    async def control(self, value: str, queue: str = "q", ttl: float | None = None) -> None:
        """Sets a queue's control record."""
        assert list(await self.storage.put([Put(QUEUE, queue, value, ttl=ttl)])) == [True]

    async def number(self, state: State, queue: str = "q") -> int:
        """How many jobs of the queue are in the state."""
        return (await self.storage.count()).get((queue, state), 0)

    async def ids(self, where: Filter | None = None) -> Sequence[str]:
        """Ids of all jobs that pass, newest first."""
        page = await self.storage.find(where or Filter(), limit=10_000)
        assert page.next is None
        return [job.id for job in page.jobs]
