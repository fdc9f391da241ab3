"""One run from its first process to its verdict: storm, heal, calm, drain, read, check."""

import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from msgspec.structs import replace

from headrace.testing.chaos import keeping
from headrace.testing.chaos.backends import BACKENDS
from headrace.testing.chaos.expectations import Found, judge
from headrace.testing.chaos.fleet import Fleet, Overdue, fleet, wait_until
from headrace.testing.chaos.ledger import SUFFIX, Ledger, clock_offset
from headrace.testing.chaos.outcome import Outcome, Request, hardware
from headrace.testing.chaos.scenarios import SCENARIOS, Scenario
from headrace.testing.chaos.station import Station
from headrace.testing.chaos.storm import Storm
from headrace.testing.chaos.workload import CALM, CRASH_BUDGET
from headrace.testing.dice import Dice
from headrace.testing.history.reading import read_history
from headrace.testing.history.records import AnyRecord, Healed, Rows

Tell = Callable[[str], None]
_HEALING = 180.0
"""Seconds in which everything must have come to rest once nothing fails any more."""
_ORPHANS = 40.0


class Run:
    """One store, one storm."""

    scenarios: Mapping[str, type[Scenario]] = SCENARIOS
    storms: type[Storm] = Storm

    def __init__(self, request: Request, folder: Path, tell: Tell) -> None:
        self._request, self._folder, self._tell = request, folder, tell
        self._dice = Dice(request.seed)
        self._scenario = self.scenarios[request.scenario](request.wishes, self._dice.of("scenario"))
        self._backend = BACKENDS[request.storage]
        url = self._backend.make(folder / "store")
        self._station = Station(
            url=url,
            detour=self._backend.detour(url),
            folder=str(folder),
            role="",
            number=0,
            seed=request.seed,
            offset=clock_offset(),
            options=self._scenario.options,
            workload=self._scenario.workload,
        )
        self._times: dict[str, float] = {}
        self._began = time.monotonic()

    def run(self) -> Outcome:
        """All of it."""
        overdue: list[str] = []
        with fleet(self._station) as ships:
            ledger = Ledger(self._station.ledgers / f"driver{SUFFIX}", "driver", self._station.offset)
            faults = self._backend.faults()
            storm = self.storms(ships, self._scenario, self._dice.of("storm"), ledger, self._writer, faults)
            try:
                self._scenario.prepare(ships)
                self._do(ships, "opener")
                self._weather(storm)
                self._heal(storm, ledger)
            except Overdue as error:
                overdue.append(str(error))
            try:
                self._scenario.heal(ships)
                ships.close()
                self._do(ships, "reader")
            except Overdue as error:
                overdue.append(str(error))
            finally:
                ships.close()
                integrity = self._backend.integrity(self._station.url)
                self._scenario.end(ships)
        return self._check(storm, [*overdue, *storm.objections], integrity)

    def keep(self) -> None:
        """What the store holds in the end, for whoever looks into its folder."""
        self._backend.keep(self._station.url, self._folder / "store")

    def _writer(self) -> int | None:
        return self._backend.writer(self._station.url)

    # --- phases ------------------------------------------------------------------------------------------------------

    def _weather(self, storm: Storm) -> None:
        kills = self._request.kills

        def tell(storm: Storm) -> None:
            self._tell(f"storm: {storm.counts['kills']} of {kills} kills, {time.monotonic() - self._began:.0f} s")

        storm.run(kills, tell, self._began + (self._request.seconds or 1e9))
        self._times["storm"] = time.monotonic() - self._began

    def _heal(self, storm: Storm, ledger: Ledger) -> None:
        """Nothing fails any more. Then jobs that kill their worker, among healthy neighbours; and all comes to rest."""
        ships = storm.fleet
        self._tell("healing")
        self._scenario.heal(ships)
        self._backend.heal()
        storm.calm()
        ships.end("producer", "operator")
        self._do(ships, "closer")
        ledger.write(lambda at, process: Healed(at=at, process=process))
        self._drain(storm)
        self._stop_crew(ships)
        budget = {"crash_budget": str(CRASH_BUDGET)}
        for asked in CALM:
            ships.station = replace(ships.station, options={**ships.station.options, **budget}, workload={"ask": asked})
            self._tell(f"calm: {asked}")
            self._do(ships, "asker")
            self._drain(storm)
        self._stop_crew(ships)
        storm.bury()
        self._times["heal"] = time.monotonic() - self._began - self._times["storm"]

    def _stop_crew(self, ships: Fleet) -> None:
        ships.end("worker", "claimer", "supervisor")
        wait_until(lambda: not ships.strays(), "workers without a supervisor have ended by themselves", _ORPHANS)

    def _drain(self, storm: Storm) -> None:
        """Workers that poison kills are started again, until an onlooker sees that all is at rest."""
        ships = storm.fleet
        onlooker = ships.start("onlooker")
        deadline = time.monotonic() + _HEALING
        while onlooker.is_alive():
            if time.monotonic() > deadline:
                raise Overdue("all jobs in a final state", _HEALING)
            for role in ("worker", "worker", "claimer", "supervisor"):
                if len(ships.living(role)) < (3 if role == "worker" else 1):
                    storm.start(role)
            time.sleep(0.05)

    def _do(self, ships: Fleet, role: str) -> None:
        """Something that one process does from its begin to its end."""
        ship = ships.start(role)
        wait_until(lambda: not ship.is_alive(), f"the {role} has ended", 60)
        if ship.code:
            raise Overdue(f"a {role} that succeeds (it ended with {ship.code}); it printed:\n{ships.output()}", 0)

    # --- the verdict -------------------------------------------------------------------------------------------------

    def _judge(self, records: Sequence[AnyRecord]) -> Found:
        return judge(records)

    def _check(self, storm: Storm, objections: Sequence[str], integrity: str) -> Outcome:
        self._tell("checking")
        began = time.monotonic()
        records = list(read_history(sorted(self._station.ledgers.glob("*" + SUFFIX))))
        jobs = keeping.rows(self._folder)
        end = records[-1].at + 1 if records else 0
        records.append(Rows(at=end, process="driver", jobs=jobs))
        found = self._judge(records)
        more = self._scenario.judge(records)
        self._times["check"] = time.monotonic() - began
        return Outcome(
            request=self._request,
            commit=commit(),
            hardware={**hardware(), **self._backend.versions()},
            python=platform.python_version(),
            seconds={name: round(length, 1) for name, length in self._times.items()},
            faults=dict(sorted(storm.counts.items())),
            counts={**found.counts, **self._scenario.counts()},
            integrity=integrity,
            violations=[*found.violations],
            objections=[*objections, *found.objections, *more],
            folder=str(self._folder),
        )


def commit() -> str:
    """Of the code under test; with a + where files differ from it. Its version where it is no working tree."""
    here = Path(__file__).parent
    try:
        _git(here, "ls-files", "--error-unmatch", Path(__file__).name)  # else the tree around it is another project's
        name = _git(here, "rev-parse", "--short=10", "HEAD")
        changed = _git(here.parent.parent, "status", "--porcelain", "--untracked-files=no", ".")
    except (OSError, subprocess.CalledProcessError):
        return version("headrace")
    return name + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()
