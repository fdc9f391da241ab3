"""A cluster from its first call to its last: faults and work for a while, then rest, then the books are opened."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import msgspec

from headrace import Headrace
from headrace.interface.handles import Handles
from headrace.model.errors import HeadraceError
from headrace.model.job import Job
from headrace.model.schedule import TICK_HEADER
from headrace.model.state import FINAL
from headrace.runtime.events import Bus
from headrace.storage.contract import Filter, Storage
from headrace.storage.memory.storage import MemoryStorage
from headrace.storage.memory.store import Store
from headrace.system.ids import Ids
from headrace.testing.clock import VirtualClock
from headrace.testing.dice import Dice
from headrace.testing.history.records import AnyRecord, Ceiling, Declared, Died, Healed, Rows, Scheduled, Stopped
from headrace.testing.simulation.loop import SimulationLoop
from headrace.testing.simulation.options import Options
from headrace.testing.simulation.processes import Process, SimulatedSpawn
from headrace.testing.simulation.programs import Programs
from headrace.testing.simulation.storage import Server, SimulatedStorage
from headrace.testing.simulation.tasks import CAPPED, LIMIT, POLICY, Tasks
from headrace.testing.simulation.weather import Weather
from headrace.testing.simulation.witness import Witness

Program = Callable[["Cluster", Process, Programs], Awaitable[None]]

_LOOK = 1.0
_EACH = 10.0
SCHEDULE = "beacon"
"""Fires every ten seconds."""


class Report(msgspec.Struct, frozen=True):
    """An error that something survived."""

    process: str
    who: str
    error: BaseException


class Cluster:
    """All processes on one store."""

    def __init__(self, options: Options) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulationLoop)
        self.loop: SimulationLoop = loop
        self.options = options
        self.dice = Dice(options.seed)
        self.clock = VirtualClock()
        self.witness = Witness(VirtualClock().wall, self._ahead)
        self.weather = Weather(options.climate, self.dice.of("weather"))
        self.server = Server(self.loop, self.weather, self.witness)
        self._store = Store(self.clock)
        self.storage = MemoryStorage(store=self._store)
        self.reports: list[Report] = []
        self.known: list[str] = []
        self.processes: dict[str, Process] = {}
        """By the name of the place that they stand in."""
        self._defined, self._tasks = self._define()
        self._furthest = 0
        """Milliseconds by which the store's clock was ahead, at most."""
        self._over = False
        self._resting = False
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping: dict[str, asyncio.Event] = {}
        self._busy: set[str] = set()
        """Places whose programs have something left to do of themselves."""

    # --- processes ---------------------------------------------------------------------------------------------------

    def _define(self) -> tuple[Headrace, Tasks]:
        """What all processes declare alike. It makes no call on the store."""
        app = Headrace("memory:")
        app.clock = self.clock
        tasks = Tasks(app, self.clock, self.witness, self.options.lease)
        if self.options.schedules:
            app.schedule(SCHEDULE, every=_EACH, catch_up="all", job=tasks.by_name["quick"].call(1))
        return app, tasks

    def _make_app(self, process: Process, dice: Dice) -> Headrace:
        options, defined = self.options, self._defined
        app = Headrace(
            "memory:",
            lease=options.lease,
            beat=options.lease / 3,
            poll=options.poll,
            reap=options.reap,
            grace="5s",
            kill_after="2s",
            retry=POLICY,
        )
        app.registry, app.middleware = defined.registry, defined.middleware
        app.declared_queues, app.declared_limits = defined.declared_queues, defined.declared_limits
        app.declared_schedules = defined.declared_schedules
        app.clock, app.spawn, app.company = self.clock, SimulatedSpawn(), None
        app.ids = Ids(self.clock, seed=dice.whole(0, 2**31))
        app.entropy = dice.of("jitter").entropy
        app.report = lambda who, error: self.reports.append(Report(process.name, who, error))
        app.bus = Bus(app.spawn, app.report)
        app.handles = Handles(lambda: SimulatedStorage(self.storage.sibling(), process, self.server), app.declare)
        return app

    def keep(self, place: str, program: Program) -> None:
        """Start this program, and again whenever it ends while there is work."""
        self._busy.add(place)
        self._keepers.append(self.loop.create_task(self._keep(place, program), name=f"keeper of {place}"))

    async def _keep(self, place: str, program: Program) -> None:
        start = 0
        while not self._resting:
            start += 1
            process = self.processes[place] = Process(self.loop, f"{place}.{start}")
            self._stopping[place] = asyncio.Event()
            process.run(self._main(process, program))
            await process.ended
            if not self._resting:
                await self.clock.sleep(self.dice.between(0.1, 2))

    async def _main(self, process: Process, program: Program) -> None:
        dice = self.dice.of(process.name)
        app = self._make_app(process, dice)
        programs = Programs(
            app, self._tasks, self.clock, dice, self.witness, self.options, lambda: self._over, self.known
        )
        try:
            await program(self, process, programs)
        except HeadraceError as error:  # it could not start, or not end well: whoever keeps it starts it again
            self.reports.append(Report(process.name, "main", error))
        await app.aclose()

    # --- its life ----------------------------------------------------------------------------------------------------

    async def live(self) -> Sequence[AnyRecord]:
        """The history of all of it."""
        options = self.options
        await self.storage.open()
        self._declare()
        for number in range(options.workers):
            self.keep(f"worker-{number}", _work)
        for number in range(options.producers):
            self.keep(f"producer-{number}", _produce)
        for number in range(options.operators):
            self.keep(f"operator-{number}", _operate)
        for number in range(options.claimers):
            self.keep(f"claimer-{number}", _claim)
        nemeses = [
            self.loop.create_task(self._strike(each, strike))
            for each, strike in (
                (options.kill_each, self._kill),
                (options.hold_each, self._hold),
                (options.stop_each, self._stop),
                (options.step_each, self._step),
            )
            if each
        ]
        await self.clock.sleep(options.minutes * 60)
        self._over = True
        for nemesis in nemeses:
            nemesis.cancel()
        self._heal()
        await self._come_to_rest()
        await self._close()
        jobs = await all_jobs(self.storage)
        self._expect_ticks(jobs)
        self.witness.write(Rows(at=self.witness.now, process="cluster", jobs=jobs))
        return self.witness.records

    def _ahead(self) -> int:
        """Milliseconds by which the store's clock is ahead of that of the history, which nobody steps."""
        return self._store.now() - self.witness.now

    def _declare(self) -> None:
        now, witness = self.witness.now, self.witness
        if not self.options.step_each:  # buckets fill by a clock that then jumps
            witness.write(Declared(at=now, process="cluster", limit=LIMIT, count=5, period=1000, burst=5))
        witness.write(Ceiling(at=now, process="cluster", queue=CAPPED, most=2))

    async def _strike(self, each: float, strike: Callable[[Process, Dice], Awaitable[None]]) -> None:
        dice = self.dice.of(strike.__name__)
        while True:
            await self.clock.sleep(dice.between(0, 2 * each))
            process = self.processes[dice.pick(sorted(self.processes))]
            if process.alive and process.held_since is None:
                await strike(process, dice)

    async def _kill(self, process: Process, _: Dice) -> None:
        self.witness.write(Died(at=self.witness.now, process=process.name))
        process.kill()

    async def _hold(self, process: Process, dice: Dice) -> None:
        length = dice.between(0, 3 * self.options.lease)
        process.hold()
        self.witness.write(Stopped(at=self.witness.now, process=process.name, for_=round(length * 1000)))
        self.loop.call_later(length, process.go_on)

    async def _stop(self, process: Process, _: Dice) -> None:
        place = process.name.rpartition(".")[0]
        self._stopping[place].set()

    async def _step(self, _: Process, dice: Dice) -> None:
        self.clock.step_wall(dice.pick((-1, 1)) * dice.pick((1.0, 4.0, 60.0, 3600.0)))
        self._furthest = max(self._furthest, self._ahead())

    def _heal(self) -> None:
        self.weather.clear()
        self.clock.step_wall((self._furthest - self._ahead()) / 1000)  # else what was due later waits that much longer
        for process in self.processes.values():
            process.go_on()
        self.witness.write(Healed(at=self.witness.now, process="cluster"))

    def _expect_ticks(self, jobs: Sequence[Job]) -> None:
        """From the first one on, each ten seconds, up to the last."""
        ticks = sorted(at for at in map(tick_of, jobs) if at is not None)
        if ticks:
            expected = range(ticks[0], ticks[-1] + 1, round(_EACH * 1000))
            self.witness.write(Scheduled(at=ticks[0], process="cluster", schedule=SCHEDULE, ticks=tuple(expected)))

    async def _come_to_rest(self) -> None:
        """Until nothing is left to do, or the time for that is over."""
        end = self.clock.monotonic() + self.options.within
        while True:
            counts = await self.storage.count()
            if (not self._busy and all(state in FINAL for _, state in counts)) or self.clock.monotonic() > end:
                return
            await self.clock.sleep(_LOOK)

    async def _close(self) -> None:
        self._resting = True
        for event in self._stopping.values():
            event.set()
        await asyncio.wait(self._keepers, timeout=600)

    async def stopping(self, process: Process) -> None:
        """The program has done what it had to do by itself; returns once it was told to stop."""
        place = process.name.rpartition(".")[0]
        self._busy.discard(place)
        await self._stopping[place].wait()


def tick_of(job: Job) -> int | None:
    """The instant that its schedule wanted it for."""
    text = job.options.headers.get(TICK_HEADER)
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)


async def all_jobs(storage: Storage) -> Sequence[Job]:
    """Everything in the store."""
    found: list[Job] = []
    after: str | None = None
    while True:
        page = await storage.find(Filter(), limit=1_000, after=after)
        found += page.jobs
        after = page.next
        if after is None:
            return found


async def _work(cluster: Cluster, process: Process, programs: Programs) -> None:
    await programs.work(lambda: cluster.stopping(process))


async def _produce(cluster: Cluster, process: Process, programs: Programs) -> None:
    await programs.produce()
    await cluster.stopping(process)


async def _operate(cluster: Cluster, process: Process, programs: Programs) -> None:
    await programs.operate()
    await cluster.stopping(process)


async def _claim(cluster: Cluster, process: Process, programs: Programs) -> None:
    await programs.claim()
    await cluster.stopping(process)
