"""A worker: which loops run, in which order they start and stop, and what follows from each attempt's answer."""

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from msgspec import structs

from headrace.model import lifecycle
from headrace.model.change import Change
from headrace.model.duration import Duration, seconds
from headrace.model.errors import LeaseLost
from headrace.model.outcome import Failure, Outcome, Raised, Snoozed
from headrace.model.state import RUNNING
from headrace.runtime.attempt import Attempt, Stop
from headrace.runtime.attempts import Attempts
from headrace.runtime.attendance import Attendance
from headrace.runtime.company import Company
from headrace.runtime.completer import Completer, Settlement
from headrace.runtime.completions import WorkerCompletions
from headrace.runtime.executor import Executor
from headrace.runtime.failure import describe
from headrace.runtime.followups import Followups
from headrace.runtime.gate import Gate
from headrace.runtime.heart import ClaimingStopped, Heart
from headrace.runtime.housekeeping import Housekeeping, Step
from headrace.runtime.lanes import Lanes
from headrace.runtime.limiter import Limiter
from headrace.runtime.loop import SOON, Loop, loop_turns
from headrace.runtime.narrator import Narrator
from headrace.runtime.notebook import WorkerNotebook
from headrace.runtime.process import run_assignment
from headrace.runtime.producer import Producer
from headrace.runtime.readback import Readback
from headrace.runtime.refusal import Refusal
from headrace.runtime.registry import Registry
from headrace.runtime.resting import let_rest, rest_after
from headrace.runtime.services import Services
from headrace.runtime.settings import Settings
from headrace.runtime.settler import Settler
from headrace.runtime.sharer import Sharer
from headrace.runtime.surroundings import Hook, Surroundings
from headrace.runtime.tally import Tally
from headrace.storage.contract import Filter, Storage
from headrace.system.spawn import Hosted, Processes

_IDLE_LOOK = 0.05
_REAPING = 1.0
"""Seconds that it may take to see that killed processes are gone."""


class Worker:
    """Runs jobs of some queues in the present event loop, from ``start`` to ``stop``."""

    def __init__(
        self,
        worker_id: str,
        slots: Mapping[str, int],
        storage: Storage,
        registry: Registry,
        settings: Settings,
        around: Surroundings,
    ) -> None:
        self.id, self.refusal = worker_id, Refusal(around.report)
        around = structs.replace(around, report=self.refusal.report)
        self._slots, self._storage, self._settings, self._around = slots, storage, settings, around
        self._narrator = Narrator(around.bus, around.clock, worker_id)
        self._threads = around.spawn.threads("headrace-handler")
        self._processes: Processes | None = None
        self._executor = Executor(around.middleware, self._threads, self._open_processes)
        self._attempts = Attempts(slots, self._cancel_unstarted)
        self._lanes = Lanes(self._run, around.clock)
        self._tally = Tally(self._attempts.held)
        self._completer = Completer(
            storage, around.clock, around.entropy, around.report, self._settled, self._tally.settled
        )
        self._notebook = WorkerNotebook(storage, around.clock, self._wake_notes)
        self._notes = Loop("notes", self._notebook.step, around.entropy, around.report)
        self._company, self._limiter = around.company or Company(), Limiter(storage, around.clock)
        self._sharer = Sharer(worker_id, storage, slots, self._look_again)
        self._settler = Settler(settings, around, self._notebook)
        self._readback = self._make_readback()
        self._producer = self._make_producer(registry)
        self._followups = Followups(storage, self._narrator, around.report)
        self._housekeeping = self._make_housekeeping(registry)
        claiming = Loop("producer", self._producer.step, around.entropy, around.report, SOON)
        own = {"ear": self._producer.hear, "sharer": self._sharer.step}
        self._loops = [claiming, *self._make_loops(own | dict(self._housekeeping.steps))]
        self._lasting = [*self._make_loops(self._housekeeping.lasting), self._notes]
        self._tasks: list[asyncio.Task[None]] = []
        self._yielding: asyncio.Task[None] | None = None
        self._heart: Heart | None = None
        self._beating: Hosted | None = None
        self._loop, self._hurry, self._stopped = asyncio.get_running_loop(), asyncio.Event(), False

    def _make_producer(self, registry: Registry) -> Producer:
        storage, settings, around = self._storage, self._settings, self._around
        return Producer(
            self.id,
            storage,
            registry,
            self._attempts,
            self._lanes,
            settings,
            around.clock,
            self._completer,
            Services(
                self._notebook,
                around.clock,
                around.new_id,
                self._limiter,
                completions=WorkerCompletions(storage, self._settler),
            ),
            self._company,
            Gate(storage, registry, self._limiter, around, settings.poll),
            self._sharer,
        )

    def _make_readback(self) -> Readback:
        around = self._around
        return Readback(
            self._storage,
            around.clock,
            around.entropy,
            around.report,
            self._settler,
            self._settled,
            self._tally.settled,
            self._tally.made_good,
            self._follow,
        )

    def _make_housekeeping(self, registry: Registry) -> Housekeeping:
        storage, settings, around = self._storage, self._settings, self._around
        introduced = structs.replace(around.introduced, lease=settings.lease)
        attendance = Attendance(self.id, storage, introduced, self._slots, registry)
        return Housekeeping(
            self.id, storage, settings, around, self._narrator, lambda: self._heart, attendance, self._tally
        )

    def _make_loops(self, steps: Mapping[str, Step]) -> Sequence[Loop]:
        return [Loop(name, step, self._around.entropy, self._around.report) for name, step in steps.items()]

    # --- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """The lease first, then hooks, then others may know of it, then loops."""
        self._company.join(self._attempts)
        await self._storage.beat(self.id, (), self._settings.lease)
        self._heart = Heart(
            self.id,
            self._storage.sibling(),
            self._attempts,
            self._settings,
            self._around.clock,
            self._around.report,
            self._end_overrun,
        )
        try:
            self._beating = self._around.spawn.host("headrace-heart", self._heart.main)
            await _call_hooks(self._around.start_hooks)
            await self._housekeeping.begin()
            await self._sharer.look()
        except BaseException:
            await self._end()
            raise
        loops = (*self._loops, *self._lasting)
        self._tasks = [asyncio.create_task(loop.run(), name=f"headrace-{loop.name}") for loop in loops]
        self._yielding = asyncio.create_task(self._yield_to_refusal(), name="headrace-refusal")

    async def _yield_to_refusal(self) -> None:
        await self.refusal.wait()
        self._claim_no_more()
        self._give_up()
        self.hurry()  # what it answers now is refused: it runs again where the store is
        for loop in self._lasting:
            loop.stop()
        if self._heart is not None:
            self._heart.stop()

    def _claim_no_more(self) -> None:
        self._producer.stop()
        self._housekeeping.stop()
        self._sharer.stop()
        for loop in self._loops:
            loop.stop()

    async def stop(self, grace: float | None = None) -> None:
        """Claim no more, let run what runs for ``grace`` seconds, hand back the rest, end the lease. Idempotent."""
        if self._stopped:
            return
        self._stopped = True
        self._claim_no_more()
        try:
            await self._drain(self._settings.grace if grace is None else grace)
            for loop in self._lasting:
                loop.stop()
            await asyncio.wait(self._tasks) if self._tasks else None
            await self._hand_back()
            await self._followups.flush()
            await self._housekeeping.end()
        finally:
            await self._end()
        await _call_hooks(self._around.stop_hooks)

    async def _end(self) -> None:
        """Let go of threads, processes and the lease. The heart is told first: it must not outlive a cancelled stop."""
        if self._heart is not None:
            self._heart.stop()
        self._notes.stop()
        self._company.leave(self._attempts)
        self._give_up()
        self._threads.close()
        if self._processes is not None:
            self._processes.close()
        if self._yielding is not None:
            self._yielding.cancel()
        if self._beating is not None:
            await self._beating.join()

    def hurry(self) -> None:
        """End the grace of a ``stop`` under way: hand back now."""
        self._hurry.set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def idle(self, within: Duration = 0.0) -> None:
        """Returns when the storage holds, in this worker's queues, no running job and none due within this time.

        Due jobs that nothing lets run, of a paused queue for one, are waited for like all others.
        """
        limit = seconds(within, "within")
        while not (await self._is_idle(limit) and self._attempts.idle):
            self.refusal.check()
            await self._around.clock.sleep(_IDLE_LOOK)

    async def _is_idle(self, within: float) -> bool:
        due = await self._storage.next_due(list(self._slots))
        if due is not None and due <= within:
            return False
        for queue in self._slots:  # not count(): a server reads every row for that
            if (await self._storage.find(Filter(RUNNING, queue=queue), limit=1)).jobs:
                return False
        return True

    # --- attempts ----------------------------------------------------------------------------------------------------

    async def _run(self, attempt: Attempt, task: asyncio.Task[None]) -> None:
        attempt.started = self._around.clock.monotonic()
        self._narrator.started(attempt.job)
        try:
            outcome = await self._executor.run(attempt, task)
        except GeneratorExit as error:  # raised by something it awaited, it closes every coroutine up to the lane's
            if not loop_turns():
                raise
            outcome = Raised(describe(error))
        if type(outcome) is Snoozed:  # while its slot is taken: nothing is started before others know
            rest = rest_after(attempt.job.queue, outcome, self._around.cooling)
            if rest is not None:
                await let_rest(rest, self._storage, self._limiter, self._around.report)
        self._attempts.end(attempt)
        if self._notebook.writing and attempt in self._notebook.writing:
            await self._notebook.written()
        if attempt.enlisted is not None:
            self._readback.ended(attempt, attempt.enlisted, outcome)
        elif not isinstance(outcome, Stop):  # as _follow does: a call less on the path of every attempt
            self._completer.add(Settlement(attempt.job, self._settler.settle(attempt, outcome), attempt))
        else:
            self._follow(attempt, outcome)

    def _follow(self, attempt: Attempt, outcome: Outcome | Stop) -> None:
        """Record what came of it, where that is anything to record."""
        if not isinstance(outcome, Stop):
            self._completer.add(Settlement(attempt.job, self._settler.settle(attempt, outcome), attempt))
        elif outcome is Stop.INTERRUPT:
            self._completer.add(Settlement(attempt.job, self._settler.hand_back(attempt), attempt))
        else:
            self._notebook.forget(attempt)
            self._attempts.settle(attempt)
            self._tally.lost(attempt)
            self._around.report("worker", LeaseLost(attempt.job.id))

    def _settled(self, settlement: Settlement, applied: bool) -> None:
        attempt = settlement.attempt
        if attempt is not None:
            if not applied and attempt.enlisted is not None:
                self._readback.refused(settlement, attempt, attempt.enlisted)
                return
            self._attempts.settle(attempt)
        else:
            self._producer.returned(settlement.job)
        if applied:
            self._narrator.settled(settlement.job, settlement.change, settlement.attempt)
            if settlement.change.then:
                self._followups.announce(settlement.change.then)
        else:
            self._around.report("worker", LeaseLost(settlement.job.id))
        self._producer.settled(settlement.job.queue)

    def _cancel_unstarted(self, job_id: str) -> None:
        self._producer.cancel(job_id)

    def _wake_notes(self) -> None:
        """Called from any thread."""
        with suppress(RuntimeError):  # the loop is closed: nothing of this worker is left
            self._loop.call_soon_threadsafe(self._notes.wake)

    def _look_again(self) -> None:
        self._producer.look_again()

    def _open_processes(self) -> Processes:
        if self._processes is None:
            self._processes = self._around.spawn.processes(run_assignment, self._settings.kill_after)
        return self._processes

    # --- stopping ----------------------------------------------------------------------------------------------------

    async def _drain(self, grace: float) -> None:
        ended = asyncio.ensure_future(self._lanes.join(grace))
        hurried = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait({ended, hurried}, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (ended, hurried):
            waiting.cancel()
        for attempt in self._attempts.held():
            attempt.interrupt()
        await self._lanes.join(self._settings.kill_after + _REAPING)

    async def _hand_back(self) -> None:
        """What was claimed and not started, and what ignores being cancelled, goes back; what is answered is kept."""
        flushed = asyncio.ensure_future(self._flush())
        done, _ = await asyncio.wait({flushed}, timeout=self._settings.patience)
        if not done:
            self._give_up()
        try:
            strays = await self._producer.strays()
        except Exception as error:
            self._around.report("worker", error)
            strays = ()
        changes = [lifecycle.hand_back(job) for job in (*strays, *self._producer.leftover())]
        changes += [self._settler.hand_back(attempt) for attempt in self._attempts.held()]
        if changes:
            await self._apply(self._storage, changes)

    async def _flush(self) -> None:
        """Returns when all that ended is recorded."""
        await self._readback.flush()
        await self._completer.flush()
        await self._readback.flush()

    def _give_up(self) -> None:
        self._readback.give_up()
        self._completer.give_up()

    async def _apply(self, storage: Storage, changes: Sequence[Change]) -> None:
        try:
            await storage.apply(changes)
        except Exception as error:
            self._around.report("worker", error)

    async def _end_overrun(self, storage: Storage, attempt: Attempt) -> None:
        """Called by the heart, on its loop: the worker's own doesn't turn any more."""
        told, self._producer.stopped = self._producer.stopped, True
        if self._around.exit is None:
            if not told:
                self._around.report("worker", ClaimingStopped(attempt.job))
            return
        others = [held for held in self._attempts.held() if held is not attempt]
        await self._apply(storage, [self._settler.hand_back(other) for other in others])
        failure = Failure("Timeout", f"ran longer than timeout={attempt.timeout:g} s and blocked the event loop")
        await storage.apply([self._settler.settle(attempt, Raised(failure))])
        await storage.beat(self.id, (), 0)
        self._around.exit(BLOCKED_EXIT)


BLOCKED_EXIT = 70
"""The exit code of a worker process that ended itself because a timed-out handler blocked its loop."""


async def _call_hooks(hooks: Sequence[Hook]) -> None:
    for hook in hooks:
        answer = hook()
        if inspect.isawaitable(answer):
            await answer
