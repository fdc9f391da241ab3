"""One run over a store that only one process may write to."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from headrace.testing.chaos.driver import Run, Tell
from headrace.testing.chaos.expectations import Found, judge
from headrace.testing.chaos.fleet import Fleet, Overdue
from headrace.testing.chaos.ledger import Ledger
from headrace.testing.chaos.outcome import Request
from headrace.testing.chaos.scenarios import Scenario
from headrace.testing.chaos.sole.backends import SOLE_BACKENDS
from headrace.testing.chaos.sole.process import SETTLING
from headrace.testing.chaos.sole.storm import SOLE, SoleStorm
from headrace.testing.chaos.sole.succession import object_to_the_fenced, without_late_beats
from headrace.testing.chaos.storm import Storm
from headrace.testing.chaos.workload import CALM, CRASH_BUDGET
from headrace.testing.history.records import AnyRecord, Healed
from headrace.testing.history.undone import without_undone

_SETTLING = 180.0
"""Seconds in which all must have come to rest."""


class Alone(Scenario):
    """Mostly kills: what is held keeps all others waiting. Each kill hits all that runs, and what has a crash behind it
    runs alone: so there are fewer jobs, and few long ones. ``--set calm=no`` ends the run once the storm's jobs are
    done."""

    weights: Mapping[str, float] = {"kill": 100.0, "stop": 1.0, "terms": 6.0}
    workload: Mapping[str, str] = {"enough": "60", "long": "5", "patient": "5"}


class SoleRun(Run):
    """One store, one storm, one process at a time."""

    scenarios: Mapping[str, type[Scenario]] = {"storm": Alone}
    storms: type[Storm] = SoleStorm

    def __init__(self, request: Request, folder: Path, tell: Tell) -> None:
        super().__init__(request, folder, tell)
        own, backend = self._station, SOLE_BACKENDS[request.storage]
        options, workload = {**own.options, **backend.options}, {**own.workload, **backend.workload}
        self._station = replace(own, options=options, workload=workload)

    def _heal(self, storm: Storm, ledger: Ledger) -> None:
        """All that was planned beside the storm is done by processes that come one after another."""
        ships = storm.fleet
        self._tell("healing")
        self._backend.heal()
        storm.calm()
        ships.end(SOLE)
        storm.bury()
        self._do(ships, "closer")
        ledger.write(lambda at, process: Healed(at=at, process=process))
        self._settle(storm)
        budget = {"crash_budget": str(CRASH_BUDGET)}
        for asked in CALM if self._scenario.wishes.get("calm", "yes") == "yes" else ():
            ships.station = replace(ships.station, options={**ships.station.options, **budget}, workload={"ask": asked})
            self._tell(f"calm: {asked}")
            self._do(ships, "asker")
            self._settle(storm)
        self._times["heal"] = time.monotonic() - self._began - self._times["storm"]

    def _settle(self, storm: Storm) -> None:
        """Started again whenever poison has killed it, until it ends because all is at rest."""
        ships = storm.fleet
        ships.station = replace(ships.station, workload={**ships.station.workload, "parts": SETTLING})
        deadline = time.monotonic() + _SETTLING
        while self._work_once(ships, deadline):
            storm.bury()
        storm.bury()

    def _work_once(self, ships: Fleet, deadline: float) -> bool:
        """Whether it was killed, by what it ran."""
        ship = ships.start(SOLE)
        while ship.is_alive():
            if time.monotonic() > deadline:
                raise Overdue("all jobs in a final state", _SETTLING)
            time.sleep(0.01)
        return ship.code != 0

    def _judge(self, records: Sequence[AnyRecord]) -> Found:
        window = SOLE_BACKENDS[self._request.storage].window
        undone = without_undone(without_late_beats(records), round(window * 1000))
        found = judge(undone.records)
        counts = {"lost in the window": undone.lost, "undone in the window": undone.struck} if window else {}
        return replace(
            found,
            counts={**found.counts, **counts},
            objections=[*found.objections, *undone.holes, *object_to_the_fenced(records)],
        )
