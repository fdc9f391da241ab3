"""The wall clock steps by hours, back and forth, under all processes at once, and under one alone.

Only the wall clock: libfaketime can fake the monotonic one too, but then nothing in Python that waits for a lock with a
time limit ever returns (0.9.10: it does not know sem_clockwait), whatever the program.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.testing.chaos.fleet import Ship
from headrace.testing.chaos.machine.course import ONCE, Course, Stand
from headrace.testing.chaos.machine.rights import faketime
from headrace.testing.dice import Dice
from headrace.testing.history.records import AnyRecord, Granted
from headrace.testing.history.verdict import Kind

if TYPE_CHECKING:
    from headrace.testing.chaos.fleet import Fleet

_HOUR = 3600
_MOST = 6
"""Hours. Retention removes what was completed a day ago: nothing may be that old."""
_TOLERANCE = 200
"""Milliseconds between a step and the record of it."""


class ClockSteps(Course):
    """Leases stand, nothing starts before the clock says so, and nothing is lost."""

    workload: Mapping[str, str] = {**Course.workload, "keyed": "0", "thread": "0", "long": "0", "slow": "15"}
    """Nothing that calls time.sleep: libfaketime 0.9.10 has it raise EINVAL where the monotonic clock is left alone."""
    options: Mapping[str, str] = {**Course.options, "lease": "10s"}
    """Longer than a busy machine lets a heart wait: what is rescued then was rescued for a step of the clock."""
    # "Early" and "before others" are meant by a clock that does not step; what holds by the one that does is in judge.
    excused = frozenset({Kind.EARLY_START, Kind.INVERSION, Kind.TICKS})

    def __init__(self, options: Mapping[str, str], dice: Dice) -> None:
        super().__init__(options, dice)
        self._steps: list[tuple[int, int]] = []
        """Instants, and by how many milliseconds the clock was ahead from then on."""

    def lacks(self) -> str | None:
        return None if faketime() else "libfaketime (apt-get install faketime)"

    def play(self, stand: Stand) -> None:
        stand.run_role("closer")  # a schedule would have a tick for every second that is stepped over
        everybody, alone = stand.fleet.folder / "clock", stand.fleet.folder / "clock-of-one"
        self._set(stand, everybody, 0)
        crew = [self._start(stand, role, everybody) for role in ("worker", "worker", ONCE)]
        for number in range(int(self.wishes.get("rounds", "4"))):
            stand.await_work()
            hours = self.dice.whole(1, _MOST) if number % 2 == 0 else -self.dice.whole(1, _MOST)
            self._set(stand, everybody, hours)
            time.sleep(self.dice.between(0.2, 1.0))
        self._set(stand, alone, _MOST)
        crew.append(self._start(stand, "worker", alone))
        time.sleep(1.0)
        stand.await_work()
        self._set(stand, everybody, _MOST)
        stand.expect_alive(*crew)

    def heal(self, fleet: "Fleet") -> None:
        """At last all that was due at some hour is due."""
        _write(fleet.folder / "clock", _MOST)

    def _start(self, stand: Stand, role: str, clock: Path) -> Ship:
        return stand.fleet.start_afresh(role, environment=_environment(clock))

    def _set(self, stand: Stand, clock: Path, hours: int) -> None:
        _write(clock, hours)
        self._steps.append((stand.now(), hours * _HOUR * 1000))
        stand.counts["steps"] += 1

    def judge(self, records: Sequence[AnyRecord]) -> Sequence[str]:
        """By the clock of those who were given jobs: none before it was due. And by no step is a lease lost."""
        objections = []
        for record in records:
            if isinstance(record, Granted):
                if record.rescued:
                    objections.append(f"{record.job} was rescued though nobody died")
                elif record.at + self._ahead(record.at) + _TOLERANCE < record.due_at:
                    objections.append(f"{record.job} was given out at {record.at}, due at {record.due_at}")
        return objections

    def _ahead(self, at: int) -> int:
        """The most by which any clock was ahead then; one that was set back just now may not have been seen yet."""
        before = [ahead for instant, ahead in self._steps if instant <= at][-2:]
        alone = max((ahead for instant, ahead in self._steps[-2:] if instant <= at), default=0)
        return max([*before, alone], default=0)


def _environment(clock: Path) -> Mapping[str, str]:
    library = faketime()
    assert library is not None
    return {
        "LD_PRELOAD": library,
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_TIMESTAMP_FILE": str(clock),
    }


def _write(clock: Path, hours: int) -> None:
    """In one step: a reader that finds half a line takes it for no offset."""
    draft = clock.with_suffix(".new")
    draft.write_text(f"{hours * _HOUR:+d}\n")
    draft.rename(clock)
