"""Limits of a process, taken away and given back while it works: how many files it may open, and how
large they may be."""

import os
import resource
import time

from headrace.testing.chaos.fleet import Ship
from headrace.testing.chaos.machine.course import ONCE, Course, Stand

_ROOM = 60_000


class FileLimit(Course):
    """``prlimit`` from outside: nobody is asked, nobody is told."""

    def play(self, stand: Stand) -> None:
        workers = stand.start("worker", 2)
        producers = stand.start(ONCE)
        stand.await_work()
        for number in range(int(self.wishes.get("rounds", "2"))):
            crew = [*workers, *producers]
            self._stop_opening(stand, crew, self.dice.whole(0, 3) if number else 0)
            workers.append(stand.start("worker")[0])  # what has its own limits comes, and is heard of
            stand.await_work()
            stand.expect_readable()
            if number == 0:
                self._stop_growing(stand, crew)
            stand.expect_alive(*crew)
            stand.await_work()
            stand.kill(workers.pop())

    def _stop_opening(self, stand: Stand, crew: list[Ship], spare: int) -> None:
        """No descriptor beyond those they have. They go on, or say so; given back, all is as before."""
        before = {ship: _limit(ship, resource.RLIMIT_NOFILE, _highest(ship) + 1 + spare) for ship in crew}
        stand.counts["no_more_files"] += 1
        time.sleep(self.dice.between(0.5, 2.2))  # a lease is 2 s
        stand.expect_alive(*crew)
        for ship, limit in before.items():
            _limit(ship, resource.RLIMIT_NOFILE, limit[0])
        stand.await_work()

    def _stop_growing(self, stand: Stand, crew: list[Ship]) -> None:
        """No file beyond the size that the -wal has: ledgers are smaller. That is written on at its end, for it is not
        yet so large that it is begun again."""
        wal = stand.fleet.store / "jobs.db-wal"
        largest = max(path.stat().st_size for path in stand.fleet.station.ledgers.iterdir())
        stand.wait(lambda: wal.stat().st_size > largest + _ROOM, "the -wal has grown")
        before = {ship: _limit(ship, resource.RLIMIT_FSIZE, wal.stat().st_size) for ship in crew}
        stand.counts["no_more_growth"] += 1
        stand.await_refusals("StoreFull")
        for ship, limit in before.items():
            _limit(ship, resource.RLIMIT_FSIZE, limit[0])


def _limit(ship: Ship, which: int, soft: int) -> tuple[int, int]:
    """Sets it, and gives what it was. One that has ended is objected to elsewhere."""
    try:
        before = resource.prlimit(ship.pid, which)
        resource.prlimit(ship.pid, which, (soft, before[1]))
    except ProcessLookupError:
        return soft, soft
    return before


def _highest(ship: Ship) -> int:
    return max(int(name) for name in os.listdir(f"/proc/{ship.pid}/fd"))
