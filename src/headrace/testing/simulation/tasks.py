"""What the jobs of a simulation do. All that can go well or wrong in a handler is a task of its own here."""

from typing import Any

import msgspec

from headrace import Headrace, PermanentFailure, RetryPolicy, Snooze, Throttled, current
from headrace.interface.task import Task
from headrace.model.job import Job
from headrace.runtime.executor import CallNext
from headrace.system.clock import Clock
from headrace.testing.history.records import Ended, Enqueueing, Started, Wanted
from headrace.testing.simulation.processes import PROCESS
from headrace.testing.simulation.witness import Witness

LIMIT = "api"
CAPPED = "capped"
MAX_ATTEMPTS = 3
QUEUES = ("default", CAPPED, "limited", "low")


class Planned(Exception):
    """A failure that a task is there to have."""


class Tasks:
    """The tasks of one app."""

    def __init__(self, app: Headrace, clock: Clock, witness: Witness, lease: float) -> None:
        self._app, self._clock, self._witness, self._lease = app, clock, witness, lease
        app.add_middleware(self._watch)
        app.limit(LIMIT, rate="5/s", burst=5)
        app.queue(CAPPED, concurrency=2)
        self.by_name: dict[str, Task[..., Any, Any]] = {}
        for function, options in (
            (self.quick, {}),
            (self.slow, {"queue": "low"}),
            (self.capped, {"queue": CAPPED}),
            (self.limited, {"queue": "limited", "limits": [LIMIT]}),
            (self.throttled, {}),
            (self.flaky, {}),
            (self.failing, {}),
            (self.permanent, {}),
            (self.snoozing, {}),
            (self.timed, {"timeout": 1}),
            (self.family, {}),
            (self.noting, {}),
            (self.poison, {}),
            (self.blocking, {}),
            (self.plain, {}),
        ):
            self.by_name[function.__name__] = app.task(name=function.__name__, **options)(function)

    async def _watch(self, job: Job, call_next: CallNext) -> object:
        witness, process = self._witness, PROCESS.get().name
        witness.write(
            Started(
                at=witness.now,
                process=process,
                job=job.id,
                generation=job.generation,
                attempt=job.attempt,
                payload=job.payload,
            )
        )
        try:
            result = await call_next(job)
        except BaseException as error:
            self._write_end(job, type(error).__name__)
            raise
        self._write_end(job, "returned", msgspec.json.encode(result).decode())
        return result

    def _write_end(self, job: Job, outcome: str, result: str | None = None) -> None:
        self._witness.write(
            Ended(
                at=self._witness.now,
                process=PROCESS.get().name,
                job=job.id,
                generation=job.generation,
                outcome=outcome,
                result=result,
            )
        )

    # --- handlers ----------------------------------------------------------------------------------------------------

    async def quick(self, number: int) -> int:
        await self._clock.sleep(number % 7 / 100)
        return number

    async def slow(self, number: int) -> list[int]:
        """Each run has a result of its own, so that one can tell whose it is."""
        fence = current().fence
        await self._clock.sleep(self._lease * (0.3 + number % 3 * 0.6))
        return [number, fence]

    async def capped(self, number: int) -> int:
        await self._clock.sleep(0.1 + number % 5 / 5)
        return number

    async def limited(self, number: int) -> int:
        return number

    async def throttled(self, number: int) -> int:
        if not current().job.history:
            raise Throttled(2 + number % 3, limit=LIMIT if number % 2 else None)
        return number

    async def flaky(self, number: int) -> int:
        await self._clock.sleep(number % 5 / 10)
        if current().attempt == 1:
            raise Planned(f"{number} fails once")
        return number

    async def failing(self, number: int) -> None:
        raise Planned(f"{number} always fails")

    async def permanent(self, number: int) -> None:
        raise PermanentFailure(f"{number} can't succeed")

    async def snoozing(self, number: int) -> int:
        if not any(record.outcome == "snoozed" for record in current().job.history):
            raise Snooze(1 + number % 10)
        return number

    async def timed(self, number: int) -> int:
        await self._clock.sleep(number % 3)
        return number

    async def family(self, number: int) -> int:
        child = self.by_name["quick"]
        (job_id,) = current().then(child.call(number))
        self._witness.write(
            Enqueueing(
                at=self._witness.now,
                process=PROCESS.get().name,
                call=self._witness.next_call(),
                jobs=[
                    Wanted(
                        id=job_id,
                        task="quick",
                        queue="default",
                        parent=current().job.id,
                        max_attempts=MAX_ATTEMPTS,
                    )
                ],
            )
        )
        await self._clock.sleep(self._lease * (number % 4) / 4)
        return number

    async def noting(self, number: int) -> int:
        for step in range(4):
            current().progress(25 * step, f"step {step}")
            current().log.info("%s of %s", step, number)
            await self._clock.sleep(0.4)
        return number

    async def poison(self, number: int) -> int:
        await self._clock.sleep(0.05)
        PROCESS.get().kill()
        await self._clock.sleep(1.0)
        return number

    async def blocking(self, number: int) -> int:
        if current().fence == 1:
            PROCESS.get().block(self._lease * (number % 3))
        await self._clock.sleep(0)
        return number

    def plain(self, number: int) -> int:
        return number


POLICY = RetryPolicy.exponential(MAX_ATTEMPTS, base=0.5, cap=4.0)
