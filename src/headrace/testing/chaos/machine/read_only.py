"""After a crash of everything the disk comes back read-only, as systems mount a damaged one; then it can be written."""

import subprocess
from typing import TYPE_CHECKING

from headrace.testing.chaos.machine.course import ONCE, Course, Stand
from headrace.testing.chaos.roles import GAVE_UP

if TYPE_CHECKING:
    from headrace.testing.chaos.fleet import Fleet


class ReadOnly(Course):
    """A tmpfs of its own, mounted anew with other rights."""

    mounts = True

    def prepare(self, fleet: "Fleet") -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", fleet.store], check=True)

    def play(self, stand: Stand) -> None:
        for _ in range(int(self.wishes.get("rounds", "2"))):
            crew = [*stand.start("worker", 2), *stand.start(ONCE)]
            stand.await_work()
            for ship in crew:  # the system lets nobody make a disk read-only that somebody may write to
                stand.kill(ship)
            self._mount(stand.fleet, "ro")
            stand.counts["read_only"] += 1
            producers = stand.start(ONCE)
            refused = stand.start("worker")[0]
            stand.await_refusals("StoreReadOnly")
            stand.expect_readable()
            stand.await_end(refused)
            if refused.code != GAVE_UP:
                stand.objections.append(f"a worker on a read-only disk ended with {refused.code}, not {GAVE_UP}")
            self._mount(stand.fleet, "rw")
            stand.expect_alive(*producers)
            last = stand.start("worker")
            stand.await_work()
            for ship in [*producers, *last]:
                stand.kill(ship)

    def _mount(self, fleet: "Fleet", how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", fleet.store], check=True)

    def heal(self, fleet: "Fleet") -> None:
        subprocess.run(["mount", "-o", "remount,rw", fleet.store], check=False, capture_output=True)

    def end(self, fleet: "Fleet") -> None:
        subprocess.run(["umount", "--lazy", fleet.store], check=False, capture_output=True)
