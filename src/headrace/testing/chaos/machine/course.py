"""A short course instead of a storm: a small crew, and a scenario that plays its steps."""

import subprocess
import sys
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping

from headrace.testing.chaos.fleet import Ship, wait_until
from headrace.testing.chaos.ledger import SUFFIX
from headrace.testing.chaos.scenarios import Scenario
from headrace.testing.chaos.storm import Storm
from headrace.testing.history.reading import read_history
from headrace.testing.history.records import AnyRecord, Died, Ended, Enqueued, Leased, NotEnqueued
from headrace.testing.history.verdict import Kind

ONCE = "once"
"""The role of a producer that asks for no job a second time: what was refused must not be there."""


class Course(Scenario):
    """One scenario of the machine."""

    mounts = False
    """Whether it needs to mount."""
    workload: Mapping[str, str] = {
        **dict.fromkeys(("flaky", "chain", "narrow", "limited", "snoozes", "throttled", "dies", "cancellable"), "0"),
        **dict.fromkeys(("by_hand", "blocks", "patient"), "0"),
    }
    options: Mapping[str, str] = {"patience": "2s"}
    excused: frozenset[Kind] = frozenset()
    """What the checker of histories may see in this one, and is judged otherwise."""

    def lacks(self) -> str | None:
        """What is missing on this machine; None where nothing is."""
        return None

    @abstractmethod
    def play(self, stand: "Stand") -> None:
        """The steps. Workers and a producer are at work."""


class Stand:
    """What a course sees of its run, and what it does to it."""

    def __init__(self, storm: Storm, scenario: Course) -> None:
        self._storm = storm
        self.fleet, self.dice = storm.fleet, scenario.dice
        self.counts: Counter[str] = storm.counts
        self.objections = storm.objections

    def start(self, role: str, number: int = 1) -> list[Ship]:
        """So many processes of this role."""
        return [self.fleet.start(role) for _ in range(number)]

    def await_settled(self, *ships: Ship) -> None:
        """Each has opened all that it needs: a worker's heart has beaten, somebody else's call was answered."""
        for ship in ships:
            if ship.role == "worker":
                self.wait(lambda: self.beats(ship.name) > 1, f"{ship.name} beats")  # noqa: B023 - it waits here
            else:
                self.wait(lambda: self.acknowledged(ship.name), f"a call of {ship.name} is answered")  # noqa: B023

    def beats(self, *names: str) -> int:
        """How many beats were answered."""
        return sum(isinstance(record, Leased) for record in self.records(*names))

    def run_role(self, role: str) -> None:
        """What one process of this role does from its begin to its end."""
        ship = self.fleet.start(role)
        self.await_end(ship)
        if ship.code:
            self.objections.append(f"{ship.name} ended with {ship.code}")

    def now(self) -> int:
        """By the clock of all ledgers."""
        return self._storm.ledger.now()

    def kill(self, ship: Ship) -> None:
        """Kill -9, and note it down."""
        if ship.kill():
            self.counts["kills"] += 1
            self._storm.ledger.write(lambda at, _: Died(at=at, process=ship.name))

    def records(self, *names: str) -> list[AnyRecord]:
        """All that is written down by now; with ``names`` only by these processes."""
        paths = sorted(self.fleet.station.ledgers.glob("*" + SUFFIX))
        return list(read_history(path for path in paths if not names or path.stem in names))

    def acknowledged(self, *names: str) -> int:
        """How many enqueueing calls were answered."""
        return sum(isinstance(record, Enqueued) for record in self.records(*names))

    def ended(self) -> int:
        """How many handlers have come to their end."""
        return sum(isinstance(record, Ended) for record in self.records())

    def refused(self, *names: str) -> Counter[str]:
        """Calls that raised, by error."""
        return Counter(record.error for record in self.records(*names) if isinstance(record, NotEnqueued))

    def wait(self, condition: Callable[[], object], what: str, seconds: float = 20.0) -> float:
        """Until it holds, and how long that took."""
        began = time.monotonic()
        wait_until(condition, what, seconds)
        return time.monotonic() - began

    def await_end(self, ship: Ship) -> None:
        """It ends by itself."""
        self.wait(lambda: not ship.is_alive(), f"{ship.name} ends by itself")

    def await_work(self) -> None:
        """A job is acknowledged, and another is run, from now on. How long that took at most is counted."""
        enqueued, ended = self.acknowledged(), self.ended()
        took = self.wait(lambda: self.acknowledged() > enqueued and self.ended() > ended, "work goes on by itself")
        self.counts["resumed_ms"] = max(self.counts["resumed_ms"], round(took * 1000))

    def await_refusals(self, *errors: str, number: int = 3) -> None:
        """So many calls were refused from now on, each with one of these errors; an objection to any other."""
        before = self.refused()
        self.wait(lambda: (self.refused() - before).total() >= number, f"{number} calls are refused")
        found = self.refused() - before
        others = set(found) - set(errors)
        self.counts["refused"] += found.total()
        if others:
            self.objections.append(f"refused with {', '.join(sorted(others))} instead of {' or '.join(errors)}")

    def await_refused(self, ship: Ship) -> None:
        """It was refused at least once since its start."""
        self.wait(lambda: self.refused(ship.name), f"a call of {ship.name} is refused")

    def await_acknowledged(self, number: int) -> None:
        """So many calls are answered from now on."""
        before = self.acknowledged()
        self.wait(lambda: self.acknowledged() >= before + number, f"{number} calls are answered")

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``headrace`` on the command line, on this store."""
        line = [sys.executable, "-m", "headrace", *words, "--storage", self.fleet.station.url]
        return subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)

    def expect_readable(self) -> None:
        """The command line still shows what is there."""
        shown = self.command("stats")
        self.counts["looks"] += 1
        if shown.returncode or "COMPLETED" not in shown.stdout:
            self.objections.append(f"headrace stats ended with {shown.returncode}: {shown.stdout}{shown.stderr}")

    def expect_alive(self, *ships: Ship) -> None:
        """Nobody had to be started again."""
        self.objections += [f"{ship.name} ended with {ship.code}" for ship in ships if not ship.is_alive()]
