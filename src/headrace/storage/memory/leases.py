"""Workers' leases, on the clock that no wall-clock step moves."""

from collections.abc import Container
from typing import NamedTuple, Self

from headrace.system.clock import Clock


class BootTime(NamedTuple):
    """A moment of one boot of this machine."""

    boot_id: str
    at: int

    @classmethod
    def of(cls, clock: Clock) -> Self:
        """Now."""
        return cls(clock.boot_id(), clock.boot())

    def later(self, seconds: float) -> Self:
        """The moment so many seconds from this one."""
        return self._replace(at=self.at + round(seconds * 1000))

    def reached(self, now: "BootTime") -> bool:
        """Whether this moment has come. Those of another boot are past."""
        return now.boot_id != self.boot_id or now.at >= self.at


class Leases:
    """Until when each worker counts as alive."""

    def __init__(self, ends: dict[str, BootTime]) -> None:
        self._ends = ends

    def extend(self, worker: str, ttl: float, now: BootTime) -> None:
        """The worker's lease lasts ``ttl`` seconds from now."""
        self._ends[worker] = now.later(ttl)

    def live(self, worker: str, now: BootTime) -> bool:
        """Whether the worker has a lease that has not run out."""
        end = self._ends.get(worker)
        return end is not None and not end.reached(now)

    def left(self, now: BootTime) -> dict[str, float]:
        """In how many seconds each lease runs out."""
        return {
            worker: (end.at - now.at) / 1000 if end.boot_id == now.boot_id else 0.0
            for worker, end in self._ends.items()
        }

    def forget_ended(self, holding: Container[str], now: BootTime) -> None:
        """Drops the leases that have run out of workers that hold nothing."""
        for worker in [worker for worker, end in self._ends.items() if worker not in holding and end.reached(now)]:
            del self._ends[worker]
