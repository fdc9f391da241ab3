"""The one store behind all handles. Everything is done under its lock."""

import os
import threading
from collections.abc import Sequence
from typing import Any

from headrace.model.job import Job
from headrace.model.record import QUEUE, Put
from headrace.model.timeline import Entry
from headrace.storage.memory.keys import Hold, Keys
from headrace.storage.memory.leases import BootTime, Leases
from headrace.storage.memory.notices import Notices
from headrace.storage.memory.records import Kept, Records
from headrace.storage.memory.rows import Rows
from headrace.storage.memory.timeline import Timeline
from headrace.system.clock import Clock, steady


class Tables:
    """All that a store knows. Whoever wants to hear of changes gives dicts of another kind."""

    def __init__(self, table: type[dict[Any, Any]] = dict) -> None:
        self.jobs: dict[str, Job] = table()
        self.holds: dict[tuple[str, str], Hold] = table()
        self.leases: dict[str, BootTime] = table()
        self.records: dict[tuple[str, str], Kept] = table()
        self.entries: dict[str, Entry] = table()


class Store:
    """Rows, keys, leases, records and the timeline on one clock."""

    def __init__(self, clock: Clock, tables: Tables | None = None, *, latest: int = 0) -> None:
        """``latest``: what was said of the time before."""
        tables = tables or Tables()
        self.lock = threading.Lock()
        self.pid = os.getpid()
        self.keys = Keys(tables.holds)
        self.leases = Leases(tables.leases)
        self.notices = Notices()
        self.records = Records(tables.records)
        self.rows = Rows(tables.jobs)
        self.timeline = Timeline(tables.entries)
        self._clock = clock
        self._now = latest

    def now(self) -> int:
        """The wall clock, made steady."""
        self._now = steady(self._clock.wall(), self._now)
        return self._now

    def boot_now(self) -> BootTime:
        """The clock of leases."""
        return BootTime.of(self._clock)

    def put(self, puts: Sequence[Put]) -> list[bool]:
        """Each by itself."""
        return [self.put_all((one,)) is None for one in puts]

    def put_all(self, puts: Sequence[Put]) -> Put | None:
        """All of these puts, one after another; or none, and the first that loses."""
        outcome = self.records.weigh(puts, self.boot_now())
        if isinstance(outcome, Put):
            return outcome
        self.records.settle(outcome)
        if outcome and self.notices.wanted():
            self.notices.tell({f"record:{kind}" for kind, _ in outcome})
            self.notices.tell(f"queue:{name}" for kind, name in outcome if kind == QUEUE)
        return None
