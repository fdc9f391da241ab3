"""The programs of a simulated cluster: workers, producers, operators, and one that claims by hand."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from headrace import CancelOutcome, Headrace
from headrace.interface.task import Call
from headrace.model.errors import EnqueueUnknown, HeadraceError, LeaseLost, WaitTimeout
from headrace.model.job import Until
from headrace.runtime.limiter import Grant, Limiter
from headrace.storage.contract import Receipt
from headrace.system.clock import Clock
from headrace.testing.dice import Dice
from headrace.testing.history.records import (
    Answer,
    Ended,
    Enqueued,
    Enqueueing,
    NotEnqueued,
    Ordered,
    Ordering,
    Started,
    Waited,
    Wanted,
)
from headrace.testing.simulation.options import Options
from headrace.testing.simulation.processes import PROCESS
from headrace.testing.simulation.tasks import LIMIT, MAX_ATTEMPTS, QUEUES, Tasks
from headrace.testing.simulation.witness import Witness

_COMMON = (*("quick", "quick", "slow", "slow", "flaky", "plain", "capped", "limited", "snoozing", "family", "noting"),)
_RARE = ("throttled", "failing", "permanent", "timed", "blocking")


class Programs:
    """What one process may run. Each of them goes on until ``over`` says so."""

    def __init__(
        self,
        app: Headrace,
        tasks: Tasks,
        clock: Clock,
        dice: Dice,
        witness: Witness,
        options: Options,
        over: Callable[[], bool],
        known: list[str],
    ) -> None:
        self._app, self._tasks, self._clock, self._dice = app, tasks, clock, dice
        self._witness, self._options, self._over = witness, options, over
        self._known = known
        """Ids of all jobs that any producer ever asked for."""
        self._process = PROCESS.get().name

    # --- a worker ----------------------------------------------------------------------------------------------------

    async def work(self, stopping: Callable[[], Awaitable[object]]) -> None:
        """A worker, until it is told to stop."""
        async with self._app.worker(dict.fromkeys(QUEUES, self._options.slots)) as worker:
            self._count_permits(worker._limiter)  # noqa: SLF001 - where they are given out
            await worker.refusal.unless(stopping())

    def _count_permits(self, limiter: Limiter) -> None:
        buy = limiter.buy

        async def counted(name: str, wanted: int) -> Grant:
            grant = await buy(name, wanted)
            if grant.number:
                self._witness.bought(self._process, name, grant.number, grant.bucket.at)
            return grant

        limiter.buy = counted  # type: ignore[method-assign]

    # --- a producer --------------------------------------------------------------------------------------------------

    async def produce(self) -> None:
        """Asks for work of all kinds, and now and then waits for a result."""
        while not self._over():
            await self._clock.sleep(self._dice.between(0, 2 * self._options.work_each))
            if self._over():
                return
            wanted = self._wishes()
            receipts = await self._enqueue(wanted)
            if receipts and self._dice.chance(0.1):
                await self._wait_for(receipts[0].id)
            elif receipts and self._dice.chance(0.1):
                await self._regret(receipts[0].id, min(1.0, wanted[0].delay))

    def _wishes(self) -> Sequence[Wanted]:
        number = 1 if self._dice.chance(0.85) else self._dice.whole(2, 12)
        return [self._wish() for _ in range(number)]

    def _wish(self) -> Wanted:
        dice = self._dice
        if self._options.poison and dice.chance(0.01):
            task = "poison"
        else:
            task = dice.pick(_RARE) if dice.chance(0.1) else dice.pick(_COMMON)
        number = dice.whole(0, 10_000)
        key, until, window = self._key()
        return Wanted(
            id=self._app.ids.new(),
            task=task,
            queue=self._tasks.by_name[task].handler.route.queue,
            payload=f'{{"number":{number}}}',
            priority=dice.pick((100, 100, 100, 1, 500)),
            delay=dice.pick((0.0, 0.0, 0.0, 1.0, 20.0)),
            key=key,
            until=until,
            window=window,
            max_attempts=MAX_ATTEMPTS,
        )

    def _told(self, wanted: Sequence[Wanted]) -> Sequence[Wanted]:
        """As the history has it: where the wall clock is stepped, delays and windows are over sooner or later."""
        if not self._options.step_each:
            return wanted
        return [replace(one, delay=0.0, key=None if one.until is Until.WINDOW else one.key) for one in wanted]

    def _key(self) -> tuple[str | None, Until, float | None]:
        if not self._dice.chance(0.2):
            return None, Until.FINISHED, None
        until = self._dice.pick((Until.FINISHED, Until.FINISHED, Until.CLAIMED, Until.WINDOW))
        return f"{until}-{self._dice.whole(1, 4)}", until, 15.0 if until is Until.WINDOW else None

    def _call(self, wanted: Wanted) -> Call[Any]:
        options: dict[str, Any] = {"id": wanted.id, "priority": wanted.priority}
        if wanted.delay:
            options["delay"] = wanted.delay
        if wanted.key is not None:
            options["key"] = wanted.key
            options |= {"for_": wanted.window} if wanted.window is not None else {"until": wanted.until.value}
        number = int(wanted.payload.removeprefix('{"number":').removesuffix("}"))
        return self._tasks.by_name[wanted.task].using(**options).call(number)

    async def _enqueue(self, wanted: Sequence[Wanted]) -> Sequence[Receipt[Any]]:
        """As a careful program does it: where the answer is lost, it asks again with the same ids."""
        call, witness = self._witness.next_call(), self._witness
        for _ in range(20):
            witness.write(Enqueueing(at=witness.now, process=self._process, call=call, jobs=self._told(wanted)))
            try:
                receipts = await self._app.aenqueue_many([self._call(one) for one in wanted])
            except HeadraceError as error:
                unknown = isinstance(error, EnqueueUnknown)
                witness.write(
                    NotEnqueued(
                        at=witness.now,
                        process=self._process,
                        call=call,
                        error=type(error).__name__,
                        certain=not unknown,
                    )
                )
                if not unknown:
                    return ()
                self._known += [one.id for one in wanted]
                await self._clock.sleep(self._dice.between(0, 3))
                call = witness.next_call()
                continue
            answers = [Answer(receipt.id, receipt.duplicate) for receipt in receipts]
            witness.write(Enqueued(at=witness.now, process=self._process, call=call, answers=answers))
            self._known += [receipt.id for receipt in receipts]
            return receipts
        return ()

    async def _wait_for(self, job_id: str) -> None:
        try:
            job = await self._app.ajoin(job_id, self._dice.between(0, 30))
        except HeadraceError:
            return
        self._witness.write(
            Waited(at=self._witness.now, process=self._process, job=job.id, state=job.state, result=job.result)
        )

    async def _regret(self, job_id: str, delay: float) -> None:
        """It wants the job stopped, about when that begins."""
        await self._clock.sleep(delay + self._dice.pick((-0.02, 0.0, 0.05, 1.0)) if delay else self._dice.between(0, 2))
        with suppress(HeadraceError):
            await self._order("cancel", job_id)

    # --- an operator -------------------------------------------------------------------------------------------------

    async def operate(self) -> None:
        """Cancels, retries, hastens and deletes jobs; pauses and scales queues. What it paused it resumes."""
        while not self._over():
            await self._clock.sleep(self._dice.between(0, 10))
            try:
                await self._operate_once()
            except (HeadraceError, WaitTimeout):
                continue
        await self._put_right()

    async def _operate_once(self) -> None:
        app, dice = self._app, self._dice
        match dice.whole(0, 9):
            case 0 | 1 | 2 | 3:
                await self._order(dice.pick(("cancel", "cancel", "retry", "run_now")), self._pick_known())
            case 4:
                await app.apause(dice.pick(QUEUES))
                await self._clock.sleep(dice.between(0, 10))
                await self._put_right()
            case 5:
                await app.ascale("default", dice.pick((1, 3, None)))
            case 6:
                for dead in await app.adead_letters(limit=3):
                    await self._order("retry", dead.id)
            case 7:
                await app.awhy(self._pick_known())
            case 8:
                await app.aset_limit(LIMIT, rate="5/s", burst=5)
            case _:
                await app.aqueues()
                await app.aworkers()
                await app.ajobs(limit=5)

    def _pick_known(self) -> str:
        """Mostly one of the latest: few of the others are at work."""
        known = self._known or [self._app.ids.new()]
        return self._dice.pick(known[-20:] if self._dice.chance(0.7) else known)

    async def _order(self, command: str, job_id: str) -> None:
        witness, call = self._witness, self._witness.next_call()
        witness.write(Ordering(at=witness.now, process=self._process, call=call, command=command, jobs=[job_id]))
        waited = False
        if command == "cancel":
            waited = await self._app.acancel(job_id) is CancelOutcome.CANCELLED
        elif command == "retry":
            await self._app.aretry(job_id)
        else:
            await self._app.arun_now(job_id)
        done = [job_id] if waited or command != "cancel" else []
        witness.write(
            Ordered(at=witness.now, process=self._process, call=call, command=command, done=done, waited=waited)
        )

    async def _put_right(self) -> None:
        """Whatever was paused or scaled goes on as before."""
        for queue in QUEUES:
            while True:
                try:
                    await self._app.aresume(queue)
                    break
                except HeadraceError:
                    await self._clock.sleep(1)

    # --- claims by hand ----------------------------------------------------------------------------------------------

    async def claim(self) -> None:
        """Claims, works and acknowledges without a worker."""
        while not self._over():
            await self._clock.sleep(self._dice.between(0, 5))
            try:
                claims = await self._app.aclaim(limit=2, lease=self._options.lease)
                for claim in claims:
                    await self._finish(claim)
            except HeadraceError:
                continue

    async def _finish(self, claim: Any) -> None:
        witness = self._witness
        about = {"process": self._process, "job": claim.id, "generation": claim.fence}
        witness.write(Started(at=witness.now, attempt=claim.attempt, payload=claim.job.payload, **about))
        await self._clock.sleep(self._dice.between(0, 1))
        try:
            if self._dice.chance(0.8):
                number = claim.arguments["number"]
                witness.write(Ended(at=witness.now, outcome="returned", result=str(number), **about))
                await self._app.aack(claim, number)
            else:
                witness.write(Ended(at=witness.now, outcome="Error", **about))
                await self._app.anack(claim, "by hand")
        except LeaseLost:
            return
