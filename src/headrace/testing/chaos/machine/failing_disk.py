"""A disk that fails: the k-th fdatasync or pwrite of a process raises, and some that follow, or all; then everybody is
killed, so that the next who opens the store has to recover it."""

from collections.abc import Sequence

from headrace.testing.chaos.fleet import Ship
from headrace.testing.chaos.machine.course import ONCE, Course, Stand
from headrace.testing.chaos.machine.rights import tracer


class FailingDisk(Course):
    """What is common to both."""

    call = ""
    errors: Sequence[str] = ()
    """Of the system, one for each round in turn."""
    refusals: Sequence[str] = ()
    """What may be raised at those who enqueue."""
    first: tuple[int, int] = (1, 1)
    """Between which the number of the first call lies that fails."""

    def lacks(self) -> str | None:
        return None if tracer() else "strace, with the right to trace"

    def play(self, stand: Stand) -> None:
        rounds = int(self.wishes.get("rounds", "4"))
        for number in range(rounds):
            worker = self._traced(stand, "worker", number)
            producer = self._traced(stand, ONCE, number)
            # At the same time others whose disk does not fail: what they commit stands in the same -wal.
            others = [*stand.start("worker"), *stand.start(ONCE, number % 2)]
            stand.await_refused(producer)
            if number % 2 or number % 4 == 2:
                stand.await_acknowledged(5)
            stand.expect_alive(worker, producer)
            for ship in (producer, worker, *others):
                stand.kill(ship)
            found = stand.refused(producer.name)
            stand.counts["refused"] += found.total()
            if set(found) - set(self.refusals):
                stand.objections.append(f"refused with {', '.join(found)} instead of {' or '.join(self.refusals)}")

    def _traced(self, stand: Stand, role: str, number: int) -> Ship:
        """A process some of whose calls fail."""
        strace = tracer()
        assert strace is not None
        first = self.dice.whole(*self.first)
        # Each second time for good: nothing that is done afterwards helps.
        last = f"..{first + self.dice.whole(0, 3)}" if number % 2 == 0 else "+"
        error = self.errors[number % len(self.errors)]
        stand.counts["injections"] += 1
        options = ["-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", f"trace={self.call}"]
        inject = ["-e", f"inject={self.call}:error={error}:when={first}{last}"]
        return stand.fleet.start_afresh(role, [strace, *options, *inject])


class SyncError(FailingDisk):
    """fdatasync fails: what was written may be on the disk, or not."""

    call = "fdatasync"
    errors = ("EIO", "EIO", "ENOSPC")
    refusals = ("StoreUnreachable", "EnqueueUnknown")
    first = (3, 30)


class WriteError(FailingDisk):
    """pwrite fails in the middle of a commit."""

    call = "pwrite64"
    errors = ("EIO", "ENOSPC", "EDQUOT", "EROFS")
    refusals = ("StoreUnreachable", "EnqueueUnknown", "StoreFull")
    first = (30, 300)
