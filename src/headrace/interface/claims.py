"""Claiming jobs by hand, without a worker: claim, then acknowledge, give back with an error, or renew."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headrace.interface.config import check_count
from headrace.interface.core import DEFAULT_QUEUE, Core
from headrace.interface.task import Call
from headrace.model import lifecycle
from headrace.model.change import Change, Status, Verdict
from headrace.model.codec import decode_bytes, encode_result
from headrace.model.duration import Duration, seconds
from headrace.model.errors import LeaseLost
from headrace.model.job import Encoding, Job
from headrace.model.kv import kv_puts
from headrace.model.names import check_name
from headrace.model.outcome import Failure, Outcome, Raised, Returned, Snoozed
from headrace.model.state import RUNNING, State
from headrace.runtime import events
from headrace.runtime.failure import outcome_of
from headrace.runtime.followups import announce
from headrace.runtime.limiter import Limiter
from headrace.runtime.narrator import Narrator
from headrace.runtime.registry import policy_for
from headrace.runtime.rescuer import Rescuer
from headrace.runtime.resting import let_rest, rest_after
from headrace.runtime.settler import backing_off
from headrace.storage.contract import Demand, Filter, Holding, Storage

_MOST = 10_000
_DONE = Returned()
_decode = msgspec.json.Decoder().decode


class Claim(msgspec.Struct, frozen=True, gc=False):
    """One job in hand, under the lease of the ``aclaim`` that took it."""

    job: Job
    arguments: object
    """The JSON object that was enqueued, or bytes."""
    lease: float
    """Seconds."""

    @property
    def id(self) -> str:
        """The job's id."""
        return self.job.id

    @property
    def task(self) -> str:
        """The job's task name."""
        return self.job.task

    @property
    def queue(self) -> str:
        """The job's queue."""
        return self.job.queue

    @property
    def attempt(self) -> int:
        """Which run this is, from 1."""
        return self.job.attempt

    @property
    def fence(self) -> int:
        """Rises with every claim of this job."""
        return self.job.generation


class Claims(Core):
    """Operations on claims."""

    async def aclaim(
        self, queue: str = DEFAULT_QUEUE, *, limit: int = 1, lease: Duration | None = None
    ) -> Sequence[Claim]:
        """At most ``limit`` due jobs, for ``lease`` (default: the queue's, else the app's). Rescues first what
        vanished claimers of this queue left. A job with a crash behind it comes only by itself."""
        check_name("queue", queue)
        check_count("limit", limit, most=_MOST)
        declared = self.declared_queues.get(queue)
        own = declared.lease if declared is not None else None
        duration = (own or self.settings.lease) if lease is None else seconds(lease, "lease", least=0.01)
        storage = (await self.here()).storage
        if await storage.next_due([queue]) != 0 and not await self._may_rescue(storage, queue):
            return ()
        worker = self.ids.new()
        await storage.beat(worker, (), duration)
        narrator = self._narrator(worker)
        rescuer = Rescuer(worker, storage, self.entropy, self.settings.crash_budget, narrator.rescued, [queue])
        while await rescuer.rescue_once():
            continue
        jobs = await self._with_solitude(storage, await self._claim_wanted(storage, narrator, worker, queue, limit))
        if not jobs:
            await storage.beat(worker, (), 0)
        if self.bus.wants(events.STARTED):
            for job in jobs:
                narrator.started(job)
        return [Claim(job, _arguments(job), duration) for job in jobs]

    async def aack(
        self,
        claim: Claim,
        result: object = None,
        *,
        then: Sequence[Call[Any]] = (),
        kv: Mapping[str, object] | None = None,
    ) -> None:
        """The work is done. The jobs of ``then`` and the records of ``kv``, which is as in ``using``, exist if and only
        if this is recorded. LeaseLost where the job is somebody else's by now."""
        following, puts = tuple(call.make(self.ids.new()) for call in then), kv_puts(kv or {})
        change = lifecycle.complete(claim.job, Returned(*encode_result(result, object)))
        await self._apply(claim, msgspec.structs.replace(change, then=following, puts=puts))

    async def aack_many(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        """The work of all these is done, and recorded in one step. Returns the ones of which nothing is recorded: where
        ``aack`` would have raised LeaseLost. A claim that is given twice comes back once."""
        changes = [lifecycle.complete(claim.job, _DONE) for claim in claims]
        verdicts = await self._recorded(claims, changes)
        return [claim for claim, verdict in zip(claims, verdicts, strict=True) if verdict.status is not Status.APPLIED]

    async def anack(self, claim: Claim, error: BaseException | str) -> None:
        """The work failed: tried again, or dead, by the job's retry policy; cancelled, where somebody wants the job
        stopped. An exception means what it means where a handler raises it: PermanentFailure, Snooze and the like as
        well. LeaseLost as in ``aack``."""
        if isinstance(error, BaseException):
            outcome = outcome_of(error, self.registry.get(claim.task))
        else:
            outcome = Raised(Failure("Error", str(error)))
        storage = (await self.here()).storage
        found = (await storage.get([claim.id]))[0]
        wanted = found is None or not found.cancel_requested
        job = claim.job if wanted else msgspec.structs.replace(claim.job, cancel_requested=True)
        await self._apply(claim, self._settled(job, outcome))
        if isinstance(outcome, Snoozed):
            await self._let_rest(claim.queue, outcome)

    async def arenew(self, claim: Claim, lease: Duration | None = None) -> None:
        """The lease lasts from now again, for all jobs of the same ``aclaim`` call. LeaseLost as in ``aack``."""
        duration = claim.lease if lease is None else seconds(lease, "lease", least=0.01)
        storage = (await self.here()).storage
        beat = await storage.beat(claim.job.worker or "", [Holding(claim.id, claim.fence)], duration)
        if claim.id in beat.lost:
            raise LeaseLost(claim.id)

    def _settled(self, job: Job, outcome: Outcome) -> Change:
        policy = policy_for(job, self.registry.get(job.task), self.queue_policies(), self.settings.retry)
        policy = backing_off(policy, outcome, job.queue, self.queues_without_backoff())
        return lifecycle.settle(job, outcome, policy, self.entropy(), self.settings.crash_budget)

    async def _let_rest(self, queue: str, outcome: Snoozed) -> None:
        rest = rest_after(queue, outcome, self.cooling_queues())
        if rest is not None:
            storage = (await self.here()).storage
            await let_rest(rest, storage, Limiter(storage, self.clock), self.report)

    async def _apply(self, claim: Claim, change: Change) -> None:
        if (await self._recorded([claim], [change]))[0].status is not Status.APPLIED:
            raise LeaseLost(change.job_id)
        narrator = self._narrator(claim.job.worker or "")
        if change.then and narrator.tells_of_queued:
            await announce((await self.here()).storage, narrator, change.then)

    async def _recorded(self, claims: Sequence[Claim], changes: Sequence[Change]) -> Sequence[Verdict]:
        """What became of each of these, once told of."""
        verdicts = await (await self.here()).storage.apply(changes) if changes else ()
        quiet = None if self.bus.wants(events.COMPLETED) else State.COMPLETED
        for claim, change, verdict in zip(claims, changes, verdicts, strict=True):
            if change.patch.state is not quiet and verdict.status is Status.APPLIED:
                self._narrator(claim.job.worker or "").answered(claim.job, change)
        return verdicts

    def _narrator(self, worker: str) -> Narrator:
        return Narrator(self.bus, self.clock, worker)

    async def _claim_wanted(
        self, storage: Storage, narrator: Narrator, worker: str, queue: str, limit: int
    ) -> Sequence[Job]:
        """Jobs that somebody wants stopped end here; others are claimed in their place."""
        while True:
            jobs = await storage.claim(worker, [Demand(queue, limit)])
            unwanted = [job for job in jobs if job.cancel_requested]
            if unwanted:
                drops = [lifecycle.drop(job) for job in unwanted]
                verdicts = await storage.apply(drops)
                for job, drop, verdict in zip(unwanted, drops, verdicts, strict=True):
                    if verdict.status is Status.APPLIED:
                        narrator.answered(job, drop)
            if len(unwanted) < len(jobs) or not jobs:
                return [job for job in jobs if not job.cancel_requested]

    async def _may_rescue(self, storage: Storage, queue: str) -> bool:
        return bool((await storage.find(Filter(RUNNING, queue), limit=1)).jobs)

    async def _with_solitude(self, storage: Storage, jobs: Sequence[Job]) -> Sequence[Job]:
        """Either one job with a crash behind it, stamped, or only jobs without; the rest goes back unharmed."""
        if not any(job.crashes for job in jobs):
            return jobs
        kept = jobs[:1] if jobs[0].crashes else [job for job in jobs if not job.crashes]
        ids = {job.id for job in kept}
        given_back = [lifecycle.hand_back(job) for job in jobs if job.id not in ids]
        stamps = [lifecycle.stamp_alone(job) for job in kept if job.crashes]
        verdicts = await storage.apply([*stamps, *given_back])
        return kept if all(verdict.status is Status.APPLIED for verdict in verdicts[: len(stamps)]) else ()


def _arguments(job: Job) -> object:
    return decode_bytes(job.payload) if job.encoding is Encoding.BYTES else _decode(job.payload)
