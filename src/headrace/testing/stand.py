"""An app under test: in memory, on a clock that the test moves, with workers that run when the test says so."""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from msgspec.structs import replace

from headrace.interface.app import Headrace
from headrace.interface.core import JobReference, id_of
from headrace.interface.logs import report
from headrace.interface.portal import refuse_running_loop
from headrace.interface.task import Bound, Call
from headrace.model.duration import Duration, seconds
from headrace.model.errors import InvalidOption, LeaseLost
from headrace.model.job import Job
from headrace.model.state import FINAL, WAITING, State
from headrace.storage.memory.store import Store
from headrace.system.clock import SystemClock
from headrace.testing.crashes import Crash, Crashes, check_point
from headrace.testing.driving import Driver, TestClock, Time
from headrace.testing.inline import InlineBus, InlinePortal, InlineSpawn
from headrace.testing.leftovers import LEFT, check_allowed, message
from headrace.testing.shifts import Shifts
from headrace.testing.swapping import swapped
from headrace.testing.wanted import Wanted, describe

T = TypeVar("T")

_POLL = 10.0
"""Seconds between two looks of an idle worker: no notice is lost here, and hours pass faster."""
_MOST_SHOWN = 20


class Stand:
    """What the fixture ``headrace`` is. In a plain test use the plain methods, in an async one those with ``a`` before
    them: these run handlers on the test's own loop."""

    def __init__(self, app: Headrace, store: Store, time: Time, driver: Driver, crashes: Crashes) -> None:
        self.app = app
        self._store, self._time, self._driver, self._crashes = store, time, driver, crashes
        self._shifts = Shifts(app, store, time, crashes)
        self._allowed: frozenset[State] = frozenset()
        self._excused: dict[str, State] = {}

    # --- time and workers --------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The time of the test."""
        return datetime.fromtimestamp(self._time.wall() / 1000, UTC)

    async def adrain(self) -> None:
        """Run every job that is due, and what becomes due meanwhile, until nothing is. Time stands still, but for what
        handlers sleep; where ``crash_at`` let a worker die, it passes until that job was rescued and run again."""
        await self._shifts.run_due()
        while self._unsettled() and await self._shifts.step(None):
            continue

    def drain(self) -> None:
        """The sync twin of ``adrain``."""
        self._block("adrain", self.adrain)

    async def aadvance(self, duration: Duration) -> None:
        """Let this time pass and run, each at its moment, the jobs that fall due: delayed ones, retries, ticks of
        schedules, rescues. What is past its retention goes."""
        target = self._time.wall() + round(seconds(duration, "duration") * 1000)
        await self._shifts.run_due()
        while await self._shifts.step(target):
            continue
        self._time.move_to(target)
        while await self.app.aprune_once():
            continue

    def advance(self, duration: Duration) -> None:
        """The sync twin of ``aadvance``."""
        self._block("aadvance", lambda: self.aadvance(duration))

    async def arun_twice(self, job: Call[Any] | JobReference) -> Job:
        """Run a job, or a call that is enqueued for it, as an at-least-once queue may: its worker dies when the handler
        has ended, before anything of that is recorded; the job is rescued, and runs again. The job as it is then."""
        job_id = (await self.app.aenqueue_many([job]))[0].id if isinstance(job, Call) else id_of(job)
        if self.job(job_id).state not in WAITING:
            raise InvalidOption("job", job_id, f"it is {self.job(job_id).state}: give one that waits, or a call")
        runs = self._crashes.runs[job_id]
        self._crashes.planned.append(Crash("after_effect", None, job_id))
        await self._shifts.run_due()
        while self._crashes.runs[job_id] < runs + 2 and await self._shifts.step(None):
            continue
        return self.job(job_id)

    def run_twice(self, job: Call[Any] | JobReference) -> Job:
        """The sync twin of ``arun_twice``."""
        return self._block("arun_twice", lambda: self.arun_twice(job))

    def crash_at(self, point: str, task: Bound[..., Any] | str | None = None, *, times: int = 1) -> None:
        """Let the worker die when its next job, or the next one of ``task``, comes to this point: ``before_start``,
        ``after_effect`` or ``before_ack``. ``drain`` lets its lease run out, and a rescuer take the job over."""
        name = task.template.task if isinstance(task, Bound) else task
        self._crashes.planned.append(Crash(check_point(point), name, times=times))

    def die(self) -> None:
        """Called while a handler runs, from something that the test put in its way: its worker dies here."""
        self._crashes.die()

    # --- looking -----------------------------------------------------------------------------------------------------

    def job(self, job: JobReference) -> Job:
        """The job as it is now; AssertionError where there is none."""
        found = self._store.rows.jobs.get(id_of(job))
        assert found is not None, f"there is no job {id_of(job)}"
        return found

    def jobs(self, task: Bound[..., Any] | str | None = None, *, state: str | None = None) -> Sequence[Job]:
        """Jobs in the order of their making: of this task, in this state."""
        name = task.template.task if isinstance(task, Bound) else task
        found = sorted(self._store.rows.jobs.values(), key=lambda job: job.id)
        return [job for job in found if name in (None, job.task) and state in (None, job.state)]

    def assert_enqueued(self, task: Bound[..., Any] | Call[Any] | str, *args: object, **kwargs: object) -> Job:
        """A job of this task was enqueued: the first that fits. Arguments that are not named may be any; ``queue``,
        ``delay``, ``at``, ``priority`` and ``key`` stand for what ``using`` takes, unless the task has such an
        argument: then give ``task.using(...)``. One that waits may stay when the test ends."""
        __tracebackhide__ = True
        wanted = Wanted(self.app, task, args, kwargs)
        for job in self.jobs():
            if wanted.fits(job):
                if job.state in WAITING:
                    self._excused[job.id] = job.state
                return job
        raise AssertionError(f"no job was enqueued such as {wanted}. {self._enqueued()}")

    def assert_not_enqueued(self, task: Bound[..., Any] | Call[Any] | str, *args: object, **kwargs: object) -> None:
        """No such job was enqueued; read as ``assert_enqueued``."""
        __tracebackhide__ = True
        wanted = Wanted(self.app, task, args, kwargs)
        for job in self.jobs():
            if wanted.fits(job):
                raise AssertionError(f"a job was enqueued such as {wanted}: {describe(self.app, job)}")

    def assert_state(self, job: JobReference, state: str) -> Job:
        """The job is in this state, and may stay so when the test ends."""
        __tracebackhide__ = True
        found = self.job(job)
        if found.state != state:
            why = f" ({found.last_error})" if found.last_error else ""
            raise AssertionError(f"expected state {state!r}, found {describe(self.app, found)}{why}")
        self._excused[found.id] = found.state
        return found

    # --- the end of a test -------------------------------------------------------------------------------------------

    def allow(self, *states: str) -> None:
        """Jobs in these states may stay when the test ends: ``dead``, ``pending``, ``scheduled``, ``retrying``,
        ``running``, ``waiting`` for the three that wait, or ``all``."""
        self._allowed |= check_allowed(states)

    def leftovers(self) -> str | None:
        """What is wrong where a job is left that is neither done nor expected, or a crash never happened."""
        left = [job for job in self.jobs() if job.state in LEFT and not self._is_expected(job)]
        if left:
            return message(self.app, left)
        missed = [crash for crash in self._crashes.planned if crash.times]
        return f"{missed[0]} never happened: no such job came to that point" if missed else None

    def _is_expected(self, job: Job) -> bool:
        return job.state in self._allowed or self._excused.get(job.id) == job.state

    def _enqueued(self) -> str:
        jobs = self.jobs()
        lines = [f"  {describe(self.app, job)}" for job in jobs[:_MOST_SHOWN]]
        more = [f"  and {len(jobs) - _MOST_SHOWN} more"] if len(jobs) > _MOST_SHOWN else []
        return "\n".join(["Enqueued were:", *lines, *more]) if jobs else "Nothing was enqueued at all."

    # --- driving -----------------------------------------------------------------------------------------------------

    def _block(self, name: str, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        refuse_running_loop(name)
        return self._driver.run(make)

    def _unsettled(self) -> bool:
        return any(self.job(job_id).state not in FINAL for job_id in self._crashes.unsettled)


@contextmanager
def stand(app: Headrace, *, start: datetime | None = None) -> Iterator[Stand]:
    """The app, inside, as the fixture ``headrace`` has it; as it was before, afterwards. ``start`` is when its time
    begins, by default now."""
    time = Time(SystemClock().wall() if start is None else round(start.timestamp() * 1000))
    driver, crashes = Driver(time), Crashes()
    spawn = InlineSpawn()

    def tell(who: str, error: BaseException) -> None:
        if not isinstance(error, LeaseLost):  # what the death of a worker looks like from inside
            report(who, error)

    with swapped(
        app,
        clock=TestClock(time),
        spawn=spawn,
        report=tell,
        portal=InlinePortal(spawn, driver),
        make_bus=lambda spawn, report: InlineBus(spawn, report, driver),
    ) as store:
        app.settings = replace(app.settings, poll=max(_POLL, app.settings.poll))
        try:
            yield Stand(app, store, time, driver, crashes)
        finally:
            driver.close()
