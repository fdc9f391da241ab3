"""The storm: faults at random moments, from a seed, and whoever was killed is started again."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from headrace.interface.cli.exits import STORE
from headrace.model.duration import seconds
from headrace.testing.chaos.fleet import Fleet, Ship, wait_until
from headrace.testing.chaos.ledger import SUFFIX, Ledger
from headrace.testing.chaos.roles import GAVE_UP, supervisor_command
from headrace.testing.chaos.scenarios import Fault, Scenario
from headrace.testing.chaos.workload import OPTIONS
from headrace.testing.dice import Dice
from headrace.testing.history.records import Died, Stopped

CREW: Mapping[str, int] = {"worker": 4, "producer": 2, "operator": 1, "claimer": 1, "supervisor": 1}
"""How many processes of each role there are at any time."""
KILLED: Mapping[str, int] = {
    "worker": 55,
    "producer": 25,
    "claimer": 10,
    "operator": 6,
    "supervised": 3,
    "supervisor": 1,
}
"""What is to be killed, by weight; ``supervised`` is a worker of a supervisor."""
STOPPED: Mapping[str, int] = {"worker": 6, "claimer": 4, "producer": 1}
HURRIED: Mapping[str, int] = {"worker": 6, "claimer": 2, "producer": 1, "operator": 1, "supervisor": 1}
SOONEST, LATEST = 0.05, 0.5
"""Seconds between faults."""
SEVERAL, MOST = 0.5, 6
"""The share of kills that hit several at once, and how many at most."""
AIMED = 0.5
"""The share of producers that are killed, and of others that are stopped, just after they wrote something down: then a
promise before its time would show, and then they have jobs in hand."""
ON_WRITER = 0.15
"""The share of stops that wait for somebody who is writing: nobody else can write until it goes on."""
UNSPARED = 0.05
"""The share of kills that may hit one that is stopped: the others leave it alive, to wake up and be late."""
MOST_STOPPED = 3
"""Processes that are stopped at once, at most: one that holds the store's lock stops all others with it."""
MOST_SIGNALS = 50
_AIMING = 0.2
_LEAVING = 30.0
"""Seconds in which whoever was sent SIGTERM must have ended."""
_PROCESSES = 2

T = TypeVar("T")
Tell = Callable[["Storm"], None]
Writer = Callable[[], int | None]
"""Gives the process that holds the right to write at this moment."""


class Storm:
    """A fleet under fire."""

    crew: Mapping[str, int] = CREW
    pauses: tuple[float, float] = (SOONEST, LATEST)

    def __init__(
        self,
        fleet: Fleet,
        scenario: Scenario,
        dice: Dice,
        ledger: Ledger,
        writer: Writer,
        further: Sequence[Fault] = (),
    ) -> None:
        """``further`` faults are those of the store."""
        self.fleet, self.dice, self.ledger, self._writer = fleet, dice, ledger, writer
        self.counts: Counter[str] = Counter()
        """Faults by name; kills also by role, as in ``kills of worker``."""
        self.lease = float(seconds({**OPTIONS, **fleet.station.options}["lease"], "lease"))
        self.objections: list[str] = []
        """What processes did that they may not: ended by themselves, or did not end when told to."""
        own = {"kill": self._kill_some, "stop": self._stop_one, "terms": self._hurry_one}
        self._faults = [Fault(name, weight, own[name]) for name, weight in scenario.weights.items()]
        self._faults += [*scenario.faults(), *further]
        self._stopped: dict[Ship, tuple[float, float]] = {}
        """Since when, and until when."""
        self._leaving: dict[Ship, float] = {}
        self._buried = 0

    def run(self, kills: int, tell: Tell, ends_at: float) -> None:
        """Faults until there were so many kills, or until this instant of the monotonic clock."""
        self.man()
        wait_until(self._has_begun, "jobs are run")
        while self.counts["kills"] < kills and time.monotonic() < ends_at:
            self._pass(self.dice.between(*self.pauses))
            fault = _draw(self.dice, {fault: fault.weight for fault in self._faults})
            if fault.strike(self):
                self.counts[fault.name] += 1
            self.man()
            tell(self)

    def _has_begun(self) -> bool:
        return any('"Ended"' in path.read_text() for path in self.fleet.station.ledgers.glob("*" + SUFFIX))

    def calm(self) -> None:
        """Nobody is stopped any more, and whoever was told to end has done so."""
        for ship in list(self._stopped):
            self._wake(ship)
        wait_until(lambda: not self._look_after_leavers(), "those that were told to end have ended", _LEAVING)

    # --- time --------------------------------------------------------------------------------------------------------

    def _pass(self, pause: float) -> None:
        """Let time pass, and wake whoever has been stopped for long enough."""
        deadline = time.monotonic() + pause
        while (now := time.monotonic()) < deadline:
            for ship, (_, until) in list(self._stopped.items()):
                if now >= until or not ship.is_alive():
                    self._wake(ship)
            time.sleep(min(0.01, max(0.0, deadline - now)))
        self._look_after_leavers()

    def _wake(self, ship: Ship) -> None:
        since, _ = self._stopped.pop(ship)
        ship.send(signal.SIGCONT)
        self._note_stopped(ship, round((time.monotonic() - since) * 1000))

    def _look_after_leavers(self) -> int:
        for ship, since in list(self._leaving.items()):
            if not ship.is_alive():
                del self._leaving[ship]
            elif time.monotonic() - since > _LEAVING:
                del self._leaving[ship]
                self.objections.append(f"{ship.name} had not ended {_LEAVING:g} s after SIGTERM")
                ship.kill()
        return len(self._leaving)

    # --- the crew ----------------------------------------------------------------------------------------------------

    def man(self) -> None:
        """Start whoever is missing."""
        self.bury()
        for role, number in self.crew.items():
            there = [ship for ship in self.fleet.living(role) if ship not in self._leaving]
            for _ in range(number - len(there)):
                self.start(role)

    def start(self, role: str, heir_of: str = "") -> Ship:
        """Start one of this role."""
        if role == "supervisor":
            return self.fleet.execute(role, supervisor_command(_PROCESSES))
        return self.fleet.start(role, heir_of)

    def bury(self) -> None:
        """Look at those that ended. Who was not killed, and not told to end, should not have."""
        self.fleet.living()
        for ship in self.fleet.ended[self._buried :]:
            self._buried += 1
            if ship.code in (GAVE_UP, STORE):
                self.counts["gave up on a busy store"] += 1
            elif ship.role in self.crew and ship.code != -signal.SIGKILL and not ship.ended_well:
                self.objections.append(f"{ship.name} ended with {ship.code}, unasked or in disorder")

    # --- faults ------------------------------------------------------------------------------------------------------

    def _kill_some(self, _storm: "Storm") -> bool:
        number = self.dice.whole(2, MOST) if self.dice.chance(SEVERAL) else 1
        done = [self.kill_one(_draw(self.dice, KILLED), aim=number == 1) for _ in range(number)]
        return any(done)

    def kill_one(self, role: str, *, aim: bool = False) -> bool:
        """Kill -9 of one process of this role; False where there is none."""
        if role == "supervised":
            return self._kill_supervised()
        spared = frozenset[Ship]() if self.dice.chance(UNSPARED) else self._stopped.keys()
        found = [ship for ship in self.fleet.living(role) if ship not in spared]
        if not found:
            return False
        ship = self.dice.pick(found)
        if role == "producer" and aim and self.dice.chance(AIMED):
            self._await_record(ship)
        if not ship.kill():
            return False
        self._stopped.pop(ship, None)
        self._leaving.pop(ship, None)
        self._note_death(ship.name, role)
        if role == "producer":
            self.start(role, heir_of=ship.name)
        return True

    def _kill_supervised(self) -> bool:
        """One worker of a supervisor; the supervisor itself where it has none: it puts off successors ever longer."""
        for supervisor in self.fleet.living("supervisor"):
            workers = self.fleet.children(supervisor)
            pid = self.dice.pick(workers) if workers else 0
            if pid and self.fleet.send(pid, signal.SIGKILL):
                supervisor.is_bereft = True
                self._note_death(replace(supervisor.station, pid=pid).name, "supervised")
                return True
            if time.monotonic() - supervisor.started_at > 2 * self.lease:
                return self.kill_one("supervisor")
        return False

    def _await_record(self, ship: Ship) -> None:
        """It asked for jobs, or was told that they are safe: just now."""
        path = ship.station.ledgers / (ship.name + SUFFIX)
        size, deadline = _size(path), time.monotonic() + _AIMING
        while _size(path) == size and time.monotonic() < deadline:
            time.sleep(0.0002)

    def _stop_one(self, _storm: "Storm") -> bool:
        """SIGSTOP, for longer than a lease."""
        found = [ship for ship in self.fleet.living(_draw(self.dice, STOPPED)) if ship not in self._stopped]
        if not found or len(self._stopped) >= MOST_STOPPED:
            return False
        if self.dice.chance(ON_WRITER):
            return self._stop_writer()
        ship = self.dice.pick(found)
        if self.dice.chance(AIMED):
            self._await_record(ship)
        return self._stop(ship)

    def _stop(self, ship: Ship) -> bool:
        now = time.monotonic()
        self._stopped[ship] = (now, now + self.lease * self.dice.between(1.2, 2.6))
        return ship.send(signal.SIGSTOP)

    def _stop_writer(self) -> bool:
        """Whoever writes next."""
        ships = {ship.pid: ship for ship in self._steady(*STOPPED)}
        deadline = time.monotonic() + _AIMING
        while time.monotonic() < deadline:
            ship = ships.get(self._writer() or 0)
            if ship is not None and self._stop(ship):
                self.counts["stops of a writer"] += self._writer() == ship.pid
                return True
        return False

    def _hurry_one(self, _storm: "Storm") -> bool:
        """SIGTERM, once or many times."""
        role = _draw(self.dice, HURRIED)
        found = self._steady(role)
        if not found:
            return False
        ship = self.dice.pick(found)
        for _ in range(1 if self.dice.chance(0.3) else self.dice.whole(2, MOST_SIGNALS)):
            if not ship.hurry():
                break
            time.sleep(0.0005 if self.dice.chance(0.5) else 0)
        self._leaving[ship] = time.monotonic()
        if ship.role == "producer":
            self.start("producer", heir_of=ship.name)
        return True

    def _steady(self, *roles: str) -> Sequence[Ship]:
        return [ship for ship in self.fleet.living(*roles) if ship not in self._stopped and ship not in self._leaving]

    # --- notes -------------------------------------------------------------------------------------------------------

    def _note_death(self, name: str, role: str) -> None:
        self.counts["kills"] += 1
        self.counts[f"kills of {role}"] += 1
        self.ledger.write(lambda at, _: Died(at=at, process=name))

    def _note_stopped(self, ship: Ship, milliseconds: int) -> None:
        self.ledger.write(lambda at, _: Stopped(at=at, process=ship.name, for_=milliseconds))


def _draw(dice: Dice, weights: Mapping[T, float]) -> T:
    """One of these, by weight."""
    left = dice.between(0, sum(weights.values()))
    for choice, weight in weights.items():
        left -= weight
        if left < 0:
            return choice
    return next(iter(weights))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
