"""Brings jobs in: claims what fits into free slots, whenever there may be some."""

import math
from collections import deque
from collections.abc import Collection, Sequence

from headrace.model import lifecycle
from headrace.model.change import Change, Status
from headrace.model.job import Job
from headrace.runtime.attempt import Attempt
from headrace.runtime.attempts import Attempts
from headrace.runtime.company import Company
from headrace.runtime.completer import Completer, Settlement
from headrace.runtime.gate import Gate
from headrace.runtime.lanes import Lanes
from headrace.runtime.loop import turn, wait_for
from headrace.runtime.registry import Handler, Registry, Where
from headrace.runtime.services import Services
from headrace.runtime.settings import Settings
from headrace.runtime.sharer import Sharer
from headrace.runtime.strays import Strays
from headrace.storage.contract import Demand, Listener, Storage
from headrace.system.clock import Clock

_MOST_UNSETTLED = 5_000
"""Where the storage is slower than the handlers, claim no more than this ahead of it."""


class Producer:
    """One for all queues of a worker. ``step`` is one claim; its answer is the longest to wait for the next."""

    def __init__(
        self,
        worker_id: str,
        storage: Storage,
        registry: Registry,
        attempts: Attempts,
        lanes: Lanes,
        settings: Settings,
        clock: Clock,
        completer: Completer,
        services: Services,
        company: Company,
        gate: Gate,
        sharer: Sharer,
    ) -> None:
        self._worker_id, self._queues = worker_id, attempts.queues
        self._storage, self._registry = storage, registry
        self._attempts, self._lanes = attempts, lanes
        self._settings, self._clock, self._completer = settings, clock, completer
        self._services, self._company, self._gate, self._sharer = services, company, gate, sharer
        self._dry: set[str] = set()
        """Queues that gave less than was asked: not asked again before a notice or the poll."""
        self._held_back: set[str] = set()
        """Those of them that have jobs due and gave none: a ceiling or a pause is in the way."""
        self._lonely: deque[tuple[Job, float]] = deque()
        """Jobs with a crash behind them, and until when each may wait for solitude here."""
        self._too_late: list[Job] = []
        """Claimed while the worker was told to stop."""
        self._returning: dict[str, int] = {}
        """Generations of jobs that were claimed and not started, until it is recorded what becomes of them."""
        self._strays = Strays(worker_id, storage, clock, settings.lease, settings.poll)
        self._asked_at = -math.inf
        """When all queues were last to be asked."""
        self._freed = attempts.freed
        self._notices = 0
        self._listener: Listener | None = None
        self.stopped = False

    def settled(self, queue: str) -> None:
        """A job of this queue is recorded: there may be room under its ceiling."""
        if queue in self._held_back:
            self._ask_again()
        self._freed.set()

    def returned(self, job: Job) -> None:
        """It is recorded what becomes of a job that was not started."""
        if self._returning.get(job.id) == job.generation:
            del self._returning[job.id]

    def look_again(self) -> None:
        """What may be asked for has changed."""
        self._ask_again()
        self._freed.set()

    def stop(self) -> None:
        """Claim no more."""
        self.stopped = True
        self._freed.set()
        if self._listener is not None:
            self._listener.close()

    async def hear(self) -> float:
        """Waits for a notice, and wakes ``step``."""
        if self._listener is None:
            self._listener = self._storage.listen([f"queue:{queue}" for queue in self._queues])
        if await self._listener.wait(self._settings.poll):
            self._notices += 1
            self.look_again()
        return 0.0

    async def step(self) -> float:
        """Claim what fits. Zero: there may be more."""
        if self.stopped:
            return self._settings.poll
        if self._strays.is_due:
            for job in await self._strays.look(self._known):
                self._return(job, lifecycle.hand_back(job))
        if self._lonely:
            return await self._run_lonely()
        self._freed.clear()
        demands = self._demands()
        if not demands:
            return await self._wait()
        if not self._company.begin_claim(self._attempts):
            await wait_for(self._freed, self._settings.poll)
            return 0.0
        try:
            claimed = await self._claim(demands)
        finally:
            self._company.end_claim(self._attempts)
        if claimed is None:
            return await self._wait()
        if claimed:
            await turn()  # handlers first: the next look at the storage competes with them for the interpreter
        return 0.0

    async def _claim(self, demands: Sequence[Demand]) -> bool | None:
        """Whether there was anything; None where limits left nothing to ask for."""
        notices = self._notices
        if self._registry.limited:
            demands, dry = await self._gate.narrow(demands)
            if notices == self._notices:
                self._dry.update(dry)
            if not demands:
                return None
        try:
            jobs = await self._storage.claim(self._worker_id, demands)
        except Exception:
            self._strays.suspect()
            raise
        if notices == self._notices:  # else something came after the look
            self._note_dry(demands, jobs)
        self._start(await self._admit(jobs) if self._registry.limited else jobs)
        return bool(jobs)

    def _demands(self) -> Sequence[Demand]:
        if self._completer.waiting > _MOST_UNSETTLED:
            return ()
        free = ((queue, self._attempts.free(queue)) for queue in self._queues if queue not in self._dry)
        shares = self._sharer.shares
        if shares:
            taken = self._attempts.taken
            free = ((queue, min(room, shares.get(queue, room + taken(queue)) - taken(queue))) for queue, room in free)
        return [Demand(queue, room) for queue, room in free if room > 0]

    def _note_dry(self, demands: Sequence[Demand], jobs: Sequence[Job]) -> None:
        if len(jobs) == sum(demand.limit for demand in demands):
            return
        got = dict.fromkeys((demand.queue for demand in demands), 0)
        for job in jobs:
            got[job.queue] += 1
            self._held_back.discard(job.queue)
        self._dry.update(demand.queue for demand in demands if got[demand.queue] < demand.limit)

    async def _admit(self, jobs: Sequence[Job], *, alone: bool = False) -> Sequence[Job]:
        """Those that have the permits they need; the others go back."""
        try:
            admitted, refused = await self._gate.admit(jobs, alone=alone)
        except Exception:  # nobody else would ever run them while this worker lives
            for job in jobs:
                self._return(job, lifecycle.hand_back(job))
            raise
        for job, change in refused:
            self._return(job, change)
        return admitted

    def _return(self, job: Job, change: Change) -> None:
        """It was claimed, and is not started."""
        self._returning[job.id] = job.generation
        self._completer.add(Settlement(job, change))

    def _known(self) -> Collection[tuple[str, int]]:
        """Whatever this worker knows to be its own, and at which generation."""
        started = [attempt.job for attempt in self._attempts.held()]
        waiting = [*self._too_late, *(job for job, _ in self._lonely)]
        return {*((job.id, job.generation) for job in (*started, *waiting)), *self._returning.items()}

    async def _wait(self) -> float:
        look = self._settings.poll
        if self._dry and not self._freed.is_set():
            look = min(look, await self._next_due())
        held = self._gate.wait
        if held < look:
            await wait_for(self._freed, held)
            if self._clock.monotonic() - self._asked_at >= self._settings.poll:
                self._ask_again()
        elif look and not await wait_for(self._freed, look):
            self._ask_again()
        return 0.0

    async def _next_due(self) -> float:
        """Seconds until a dry queue may have something. One that has jobs due is asked again; where it gives none even
        so, it is held back, and asking at once would go on for ever."""
        due = await self._storage.next_due(self._dry)
        if due == 0:
            waits = {queue: await self._storage.next_due([queue]) for queue in tuple(self._dry)}
            ready = {queue for queue, wait in waits.items() if wait == 0}
            fresh, self._held_back = ready - self._held_back, ready
            if fresh:
                self._dry -= fresh
                return 0.0
            due = min((wait for wait in waits.values() if wait), default=None)
        return math.inf if due is None else max(0.001, due)

    def _ask_again(self) -> None:
        self._asked_at = self._clock.monotonic()
        self._dry.clear()
        self._held_back.clear()

    def _start(self, jobs: Sequence[Job]) -> None:
        if self.stopped:
            self._too_late.extend(jobs)
            return
        ready: list[Attempt] = []
        for job in jobs:
            handler = self._registry.get(job.task)
            if job.cancel_requested:  # while another worker had it, which didn't stop it
                self._return(job, lifecycle.drop(job))
            elif handler is None:
                self._return(job, lifecycle.park(job, self._settings.unknown_task_grace))
            elif job.crashes and handler.where is not Where.PROCESS:
                self._lonely.append((job, self._clock.monotonic() + self._settings.lease))
            else:
                ready.append(self._take_up(job, handler))
        if ready:
            self._lanes.put(ready)

    def _take_up(self, job: Job, handler: Handler) -> Attempt:
        attempt = Attempt(job, handler, self._services)
        self._attempts.start(attempt)
        return attempt

    async def _run_lonely(self) -> float:
        """Nothing else may run in this process beside such a job; the others are let finish first."""
        job, deadline = self._lonely[0]
        patience = deadline - self._clock.monotonic()
        if self._company.ask(self._attempts):
            try:
                await self._run_alone(job)
            finally:
                self._company.release(self._attempts)
        elif patience <= 0:
            self._lonely.popleft()
            self._company.release(self._attempts)
            self._return(job, lifecycle.await_solitude(job, self._settings.lease))
        else:
            self._freed.clear()
            await wait_for(self._freed, min(patience, self._settings.poll))
        return 0.0

    async def _run_alone(self, job: Job) -> None:
        if self._registry.limited and not await self._admit_alone(job):
            return
        verdicts = await self._storage.apply([lifecycle.stamp_alone(job)])
        if self.stopped or not self._lonely or self._lonely[0][0] is not job:  # told to stop, or cancelled meanwhile
            return
        self._lonely.popleft()
        handler = self._registry.get(job.task)
        if verdicts[0].status is not Status.APPLIED or handler is None:
            return
        self._lanes.put([self._take_up(job, handler)])
        while self._attempts.running and not self.stopped:
            self._freed.clear()
            await wait_for(self._freed, self._settings.poll)

    async def _admit_alone(self, job: Job) -> bool:
        """One that has not the permits it needs is on its way back, also where that could not be found out."""
        admitted: Sequence[Job] = ()
        try:
            admitted = await self._admit([job], alone=True)
        finally:
            if not admitted and self._lonely and self._lonely[0][0] is job:  # else it was cancelled meanwhile
                self._lonely.popleft()
        return bool(admitted)

    def cancel(self, job_id: str) -> None:
        """Somebody wants a job stopped that was claimed and not started: one that waits for solitude."""
        for job, deadline in tuple(self._lonely):
            if job.id == job_id:
                self._lonely.remove((job, deadline))
                self._return(job, lifecycle.drop(job))

    async def strays(self) -> Sequence[Job]:
        """Jobs that were claimed without this worker's knowing: to be handed back at the stop."""
        return await self._strays.look_last(self._known)

    def leftover(self) -> Sequence[Job]:
        """Jobs that were claimed and not started: to be handed back at the stop."""
        jobs = [*self._too_late, *(job for job, _ in self._lonely)]
        self._too_late.clear()
        self._lonely.clear()
        self._company.release(self._attempts)
        return jobs
