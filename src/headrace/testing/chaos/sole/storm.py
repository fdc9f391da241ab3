"""The storm over a process that is alone: killed at random moments, told to end, held, and robbed of its store."""

import signal
import time
from collections.abc import Mapping, Sequence

from headrace.interface.cli.exits import STORE
from headrace.testing.chaos.fleet import Fleet, Overdue, Ship, wait_until
from headrace.testing.chaos.ledger import SUFFIX, Ledger
from headrace.testing.chaos.scenarios import Fault, Scenario
from headrace.testing.chaos.sole.process import GAVE_UP
from headrace.testing.chaos.storm import AIMED, Storm, Writer
from headrace.testing.dice import Dice
from headrace.testing.history.records import Died

SOLE = "sole"
_AIMING = 0.2
_YIELDING = 60.0
"""Seconds in which whoever lost its store must have ended, once it is not held."""
_HELD = 0.5
"""The share of those that are held while another takes the store, and wake up with all that they had in hand."""
_GROWN = 0.8
"""The share of faults that come when the process has become the owner; the others may hit it on its way there."""
_ENOUGH = 10
"""Objections after which nothing better is expected."""
_UNSEEN = 100
"""Milliseconds for which nobody may have seen that a process has killed itself."""


class SoleStorm(Storm):
    """One process under fire."""

    crew: Mapping[str, int] = {SOLE: 1}
    pauses = (0.02, 0.3)

    def __init__(
        self,
        fleet: Fleet,
        scenario: Scenario,
        dice: Dice,
        ledger: Ledger,
        writer: Writer,
        further: Sequence[Fault] = (),
    ) -> None:
        super().__init__(fleet, scenario, dice, ledger, writer, further)
        self._last = ""
        """The name of the one that was started last: whose work the next takes over."""
        self._killed: set[str] = set()
        self._robbed: dict[Ship, float] = {}
        """Those that lost the store to another, and since when they may know it."""

    # --- the crew ----------------------------------------------------------------------------------------------------

    def man(self) -> None:
        """Start the next one where there is none."""
        self.bury()
        if len(self.objections) > _ENOUGH:
            raise Overdue("a process that lives on this store", 0)
        if self._owner() is None:
            self.start(SOLE, self._last)

    def start(self, role: str, heir_of: str = "", url: str = "") -> Ship:
        """Start one, on another URL where that is given."""
        ship = self.fleet.start(role, heir_of, url)
        self._last = ship.name
        return ship

    def _owner(self) -> Ship | None:
        return next((ship for ship in self.fleet.living(SOLE) if ship not in self._robbed), None)

    def bury(self) -> None:
        """Look at those that ended. Who was robbed must have said so, and ended by itself."""
        self.fleet.living()
        for ship in self.fleet.ended[self._buried :]:
            self._buried += 1
            if ship in self._robbed:
                del self._robbed[ship]
                self.counts["fenced"] += ship.code == STORE
                if ship.code not in (STORE, -signal.SIGKILL):
                    self.objections.append(f"{ship.name} lost its store and ended with {ship.code}")
            elif ship.role == SOLE and ship.code == GAVE_UP:
                self.counts["gave up"] += 1
            elif ship.role == SOLE and ship.code == -signal.SIGKILL:
                self._note_suicide(ship)
            elif ship.role == SOLE and not (ship.code == 0 or ship.ended_well):
                self.objections.append(f"{ship.name} ended with {ship.code}, unasked or in disorder")

    def _pass(self, pause: float) -> None:
        """Mostly from when it has become the owner, else from when it was started."""
        owner = self._owner()
        if owner is not None and self.dice.chance(_GROWN):
            wait_until(lambda: self._has_spoken(owner) or not owner.is_alive(), f"{owner.name} has become the owner")
        super()._pass(pause)

    def _look_after_leavers(self) -> int:
        for ship, since in list(self._robbed.items()):
            if ship.is_alive() and time.monotonic() - since > _YIELDING:
                self.objections.append(f"{ship.name} had not ended {_YIELDING:g} s after it lost its store")
                ship.kill()
        return super()._look_after_leavers() + sum(ship.is_alive() for ship in self._robbed)

    # --- faults ------------------------------------------------------------------------------------------------------

    def _kill_some(self, _storm: Storm) -> bool:
        ship = self._owner()
        if ship is None:
            return False
        if self.dice.chance(AIMED):
            self._await_record(ship)
        return self._kill(ship)

    def _kill(self, ship: Ship) -> bool:
        at = self.ledger.now()
        if not ship.kill():
            return False
        self._killed.add(ship.name)
        self._note_kill(ship, at)
        return True

    def _await_record(self, ship: Ship) -> None:
        """It asked for jobs, or was told that they are safe: just now."""
        path = ship.station.ledgers / (ship.station.of("producer").name + SUFFIX)
        deadline = time.monotonic() + _AIMING
        size = path.stat().st_size if path.exists() else 0
        while time.monotonic() < deadline and (path.stat().st_size if path.exists() else 0) == size:
            time.sleep(0.0002)

    def _stop_one(self, _storm: Storm) -> bool:
        """SIGSTOP for longer than a lease: its own rescuer finds its jobs when it wakes up."""
        ship = self._owner()
        if ship is None or not self._has_spoken(ship):
            return False
        seconds = self.lease * self.dice.between(1.1, 1.6)
        ship.send(signal.SIGSTOP)
        time.sleep(seconds)
        ship.send(signal.SIGCONT)
        self._note_stopped(ship, round(seconds * 1000))
        return True

    def _hurry_one(self, _storm: Storm) -> bool:
        """SIGTERM, once or many times. Nobody else may come before it has ended."""
        ship = self._owner()
        if ship is None:
            return False
        for _ in range(1 if self.dice.chance(0.3) else self.dice.whole(2, 50)):
            ship.hurry()
        wait_until(lambda: not ship.is_alive(), f"{ship.name} has ended after SIGTERM", 30.0)
        return True

    def take_over(self, url: str) -> bool:
        """Another process takes the store by this URL while its owner lives, or is held and wakes up afterwards."""
        old = self._owner()
        if old is None or not self._has_spoken(old):
            return False
        held = self.dice.chance(_HELD) and old.send(signal.SIGSTOP)
        since = time.monotonic()
        self._robbed[old] = since
        new = self.start(SOLE, old.name, url)
        wait_until(lambda: self._has_spoken(new) or not new.is_alive(), f"{new.name} has taken the store over")
        if not self._has_spoken(new):  # it gave up, and nobody knows how far it came
            self._kill(old)
            return False
        if held:
            old.send(signal.SIGCONT)
            self._robbed[old] = time.monotonic()
            self._note_stopped(old, round((time.monotonic() - since) * 1000))
            self.counts["takeovers from one that is held"] += 1
        return True

    def _has_spoken(self, ship: Ship) -> bool:
        """Whether it was seen to own the store: its worker has a lease."""
        path = ship.station.ledgers / (ship.station.of("worker").name + SUFFIX)
        return path.exists() and path.stat().st_size > 0

    # --- notes -------------------------------------------------------------------------------------------------------

    def _note_suicide(self, ship: Ship) -> None:
        """Of one that we did not kill."""
        if ship.name not in self._killed:
            at = self.ledger.now() - _UNSEEN
            self.ledger.write(lambda _, __: Died(at=at, process=ship.name))

    def _note_kill(self, ship: Ship, at: int) -> None:
        self.counts["kills"] += 1
        self.counts[f"kills of {SOLE}"] += 1
        self.ledger.write(lambda _, __: Died(at=at, process=ship.name))
