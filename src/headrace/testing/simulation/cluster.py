"""The processes of a cluster, on one store: each stands in its place, and is started again there when it ends."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from headrace import Headrace
from headrace.interface.handles import Handles
from headrace.model.errors import HeadraceError
from headrace.model.record import SCHEDULE as SCHEDULES
from headrace.model.schedule_record import read_schedule
from headrace.model.state import FINAL
from headrace.runtime.events import Bus
from headrace.storage.contract import Storage
from headrace.storage.journal.house import Settings
from headrace.storage.journal.storage import JournaledStorage
from headrace.storage.memory.storage import MemoryStorage
from headrace.storage.memory.store import Store
from headrace.system.ids import Ids
from headrace.system.spawn import Spawn
from headrace.testing.clock import VirtualClock, VirtualSpawn
from headrace.testing.dice import Dice
from headrace.testing.history.records import Died
from headrace.testing.simulation.loop import SimulationLoop
from headrace.testing.simulation.options import Options
from headrace.testing.simulation.processes import Process, SimulatedSpawn
from headrace.testing.simulation.programs import Programs
from headrace.testing.simulation.shelf import Bucket, SimulatedShelf
from headrace.testing.simulation.storage import JournaledDoor, Server, SimulatedStorage
from headrace.testing.simulation.tasks import POLICY, Tasks
from headrace.testing.simulation.weather import Weather
from headrace.testing.simulation.witness import Witness

Program = Callable[["Cluster", Process, Programs], Awaitable[None]]

EACH = 10.0
_LONGEST_STOP = 600.0
SCHEDULE = "beacon"
"""Fires every ten seconds."""


class Report(msgspec.Struct, frozen=True):
    """An error that something survived."""

    process: str
    who: str
    error: str
    """Its type and what it says. Not the error itself, whose traceback would keep frames of the dead."""


class Cluster:
    """All processes on one store."""

    def __init__(self, options: Options) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulationLoop)
        self.loop: SimulationLoop = loop
        self.options = options
        self.dice = Dice(options.seed)
        self.clock = VirtualClock()
        self.witness = Witness(VirtualClock().wall, self.ahead)
        self.weather = Weather(options.climate, self.dice.of("weather"))
        self.server = Server(self.loop, self.weather, self.witness)
        self._store = Store(self.clock)
        self._bucket = Bucket()
        self.storage: Storage = MemoryStorage(store=self._store)
        """For whoever looks on."""
        if options.journal:
            self.storage = self._journaled(SimulatedShelf(self._bucket), VirtualSpawn())
        self.reports: list[Report] = []
        self.known: list[str] = []
        self.processes: dict[str, Process] = {}
        """By the name of the place that they stand in."""
        self._defined, self._tasks = self._define()
        self._over = False
        self._closing = False
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
            app.schedule(SCHEDULE, every=EACH, catch_up="all", job=tasks.by_name["quick"].call(1))
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
        app.report = lambda who, error: self._report(process, who, error)
        app.bus = Bus(app.spawn, app.report)
        app.handles = Handles(lambda: self._door(process), app.declare)
        return app

    def _door(self, process: Process) -> Storage:
        if not self.options.journal:
            return SimulatedStorage(self.storage.sibling(), process, self.server)
        shelf = SimulatedShelf(self._bucket, process, self.server)
        return JournaledDoor(self._journaled(shelf, SimulatedSpawn()), process, self.server)

    def _journaled(self, shelf: SimulatedShelf, spawn: Spawn) -> JournaledStorage:
        settings = Settings(interval=None, lease=self.options.lease, takeover=False, patience=10.0)
        return JournaledStorage(lambda: shelf, settings, self.clock, spawn)

    def keep(self, place: str, program: Program) -> None:
        """Start this program, and again whenever it ends while there is work."""
        self._busy.add(place)
        self._keepers.append(self.loop.create_task(self._keep(place, program), name=f"keeper of {place}"))

    async def _keep(self, place: str, program: Program) -> None:
        start = 0
        while not self._closing:
            start += 1
            process = self.processes[place] = Process(self.loop, f"{place}.{start}", self._died)
            self._stopping[place] = asyncio.Event()
            process.run(self._main(process, program))
            await process.ended
            if not self._closing:
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
            self._report(process, "main", error)
        try:
            await app.aclose()
        except HeadraceError as error:  # its last words were not heard
            self._report(process, "close", error)

    def _report(self, process: Process, who: str, error: BaseException) -> None:
        self.reports.append(Report(process.name, who, f"{type(error).__name__}: {error}"))

    def _died(self, process: Process) -> None:
        self.witness.write(Died(at=self.witness.now, process=process.name))

    def ahead(self) -> int:
        """Milliseconds by which the store's clock is ahead of that of the history, which nobody steps."""
        return 0 if self.options.journal else self._store.now() - self.witness.now

    # --- the end -----------------------------------------------------------------------------------------------------

    def ask_for_nothing_more(self) -> None:
        """Whoever asks for work comes to an end."""
        self._over = True

    async def stopping(self, process: Process) -> None:
        """The program has done what it had to do by itself; returns once it was told to stop."""
        place = _place(process)
        self._busy.discard(place)
        await self._stopping[place].wait()

    def stop(self, process: Process) -> None:
        """Tell it to stop, as with SIGTERM."""
        self._stopping[_place(process)].set()

    async def is_done(self) -> bool:
        """Nobody has anything to ask for, every job is final, and no tick is due."""
        if self._busy:
            return False
        counts = await self.storage.count()
        schedules = await self.storage.records(SCHEDULES)
        next_at = min((read_schedule(record).next_at or 0 for record in schedules), default=None)
        return all(state in FINAL for _, state in counts) and (next_at is None or next_at > self.clock.wall())

    async def close(self) -> None:
        """Everybody stops, and nobody is started again."""
        self._closing = True
        for process in self.processes.values():
            self.stop(process)
        await asyncio.wait(self._keepers, timeout=_LONGEST_STOP)


def _place(process: Process) -> str:
    return process.name.rpartition(".")[0]
