"""The one place of this storage that reads time."""

import threading
from typing import NamedTuple

from headrace.system.clock import Clock, steady


class Moment(NamedTuple):
    """One instant on both clocks."""

    now: int
    """Milliseconds since 1970 UTC: for due times."""
    boot: int
    """Milliseconds since the machine booted: for leases."""
    boot_id: str


class Moments:
    """Reads the clock; the wall clock made steady."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._latest = 0

    def read(self) -> Moment:
        """This instant. From any thread."""
        with self._lock:
            self._latest = steady(self._clock.wall(), self._latest)
            return Moment(self._latest, self._clock.boot(), self._clock.boot_id())
