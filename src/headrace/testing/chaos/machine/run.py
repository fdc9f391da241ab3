"""One run of a course: its steps, and then everything heals."""

import time
from collections.abc import Mapping, Sequence

import msgspec

from headrace.testing.chaos.driver import Run
from headrace.testing.chaos.fleet import Overdue
from headrace.testing.chaos.ledger import Ledger
from headrace.testing.chaos.machine.course import ONCE, Course, Stand
from headrace.testing.chaos.machine.courses import COURSES
from headrace.testing.chaos.outcome import Outcome
from headrace.testing.chaos.scenarios import Scenario
from headrace.testing.chaos.storm import Storm
from headrace.testing.history.records import Healed

_RESTING = 60.0


class CourseRun(Run):
    """One store, one course."""

    scenarios: Mapping[str, type[Scenario]] = COURSES

    def _weather(self, storm: Storm) -> None:
        scenario = self._scenario
        assert isinstance(scenario, Course)
        self._tell(f"playing {self._request.scenario}")
        scenario.play(Stand(storm, scenario))
        self._times["storm"] = time.monotonic() - self._began

    def _heal(self, storm: Storm, ledger: Ledger) -> None:
        ships = storm.fleet
        self._tell("healing")
        self._scenario.heal(ships)
        ships.end("producer", ONCE)
        self._do(ships, "closer")
        ledger.write(lambda at, process: Healed(at=at, process=process))
        self._drain(storm)
        self._stop_crew(ships)
        storm.bury()
        self._times["heal"] = time.monotonic() - self._began - self._times["storm"]

    def _check(self, storm: Storm, objections: Sequence[str], integrity: str) -> Outcome:
        outcome = super()._check(storm, objections, integrity)
        scenario = self._scenario
        assert isinstance(scenario, Course)
        left = [violation for violation in outcome.violations if violation.kind not in scenario.excused]
        return msgspec.structs.replace(outcome, violations=left)

    def _drain(self, storm: Storm) -> None:
        ships = storm.fleet
        onlooker = ships.start("onlooker")
        deadline = time.monotonic() + _RESTING
        while onlooker.is_alive():
            if time.monotonic() > deadline:
                raise Overdue("all jobs in a final state", _RESTING)
            for _ in range(2 - len(ships.living("worker"))):
                ships.start("worker")
            time.sleep(0.02)
