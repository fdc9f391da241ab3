"""The disk is full while jobs are enqueued, claimed, completed and beaten for, also for longer than a lease; then
there is room."""

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.testing.chaos.machine.course import ONCE, Course, Stand

if TYPE_CHECKING:
    from headrace.testing.chaos.fleet import Fleet

_SIZE = "6m"
_BLOCK = bytes(65_536)


class DiskFull(Course):
    """A small tmpfs of its own, filled to the last byte."""

    mounts = True

    def prepare(self, fleet: "Fleet") -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", fleet.store], check=True)

    def play(self, stand: Stand) -> None:
        workers = stand.start("worker", 2)
        producers = stand.start(ONCE)
        stand.await_work()
        for number in range(int(self.wishes.get("rounds", "2"))):
            stand.await_settled(*workers, *producers)
            ballast = fill(stand.fleet.store)
            stand.counts["fills"] += 1
            stand.await_refusals("StoreFull")
            if self.dice.chance(0.5):
                stand.kill(workers.pop(self.dice.whole(0, 1)))
            if number == 0:
                stand.expect_readable()
            time.sleep(self.dice.between(0.0, 3.0))  # a lease is 2 s
            ballast.unlink()
            stand.expect_alive(*workers, *producers)
            workers += stand.start("worker", 2 - len(workers))
            stand.await_work()

    def end(self, fleet: "Fleet") -> None:
        subprocess.run(["umount", "--lazy", fleet.store], check=False, capture_output=True)


def fill(folder: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = folder / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for size in (len(_BLOCK), 4096, 1):
            try:
                while True:
                    os.write(descriptor, _BLOCK[:size])
            except OSError:
                continue
    finally:
        os.close(descriptor)
    return ballast
