"""The limit of how many files a process may open, taken down to what it has while it works, and given back."""

import os
import resource
import time

from headrace.testing.chaos.fleet import Ship
from headrace.testing.chaos.machine.course import ONCE, Course, Stand


class FileLimit(Course):
    """``prlimit`` from outside: nobody is asked or told. How large files may be is not limited here: ledgers are
    files too."""

    def play(self, stand: Stand) -> None:
        workers = stand.start("worker", 2)
        producers = stand.start(ONCE)
        stand.await_work()
        for number in range(int(self.wishes.get("rounds", "2"))):
            self._stop_opening(stand, [*workers, *producers], self.dice.whole(0, 3) if number else 0)
            if number == 0:
                stand.expect_readable()
            stand.kill(workers.pop(0))
            workers += stand.start("worker")
            stand.await_work()

    def _stop_opening(self, stand: Stand, crew: list[Ship], spare: int) -> None:
        """No descriptor beyond those they have. They go on; and once it is given back, all is as before."""
        stand.await_settled(*crew)
        before = {ship: _limit(ship, _highest(ship) + 1 + spare) for ship in crew}
        stand.counts["no_more_files"] += 1
        stranger = stand.start("worker")[0]  # has a limit of its own; the others hear of it, and it of them
        time.sleep(self.dice.between(0.5, 2.5))  # a lease is 2 s
        stand.await_work()
        stand.expect_alive(*crew)
        for ship, limit in before.items():
            _limit(ship, limit)
        stand.kill(stranger)
        stand.await_work()


def _limit(ship: Ship, soft: int) -> int:
    """Sets it, and gives what it was. One that has ended is objected to elsewhere."""
    try:
        before, most = resource.prlimit(ship.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(ship.pid, resource.RLIMIT_NOFILE, (soft, most))
    except ProcessLookupError:
        return soft
    return before


def _highest(ship: Ship) -> int:
    return max(int(name) for name in os.listdir(f"/proc/{ship.pid}/fd"))
