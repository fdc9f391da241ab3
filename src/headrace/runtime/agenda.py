"""The schedules that a scheduler follows, in the order of their next ticks."""

import heapq
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from headrace.model.errors import ScheduleUnreadable
from headrace.model.record import Record
from headrace.model.schedule import Schedule
from headrace.model.schedule_record import is_removed, read_schedule
from headrace.runtime.loop import Report


class Entry(NamedTuple):
    """One schedule as last seen."""

    version: int
    """Of its record."""
    schedule: Schedule | None
    """None: it can't be followed, which was reported."""


class Agenda:
    """Holds ten thousand schedules without looking at more than those that are due."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._entries: dict[str, Entry] = {}
        self._heap: list[tuple[int, str]] = []

    def next_at(self) -> int | None:
        """The earliest tick of all."""
        self._drop_outdated()
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: int) -> Iterator[tuple[int, Schedule]]:
        """Schedules with a tick up to now, and the versions of their records. Each is out of the agenda until it is
        learned again."""
        while (first := self.next_at()) is not None and first <= now:
            _, name = heapq.heappop(self._heap)
            version, schedule = self._entries.pop(name)
            if schedule is not None:
                yield version, schedule

    def learn(self, records: Sequence[Record]) -> None:
        """These are so now. What can't be read is reported once for each version."""
        for record in records:
            if is_removed(record):
                self._entries.pop(record.name, None)
                continue
            entry = self._entries.get(record.name)
            if entry is None or entry.version != record.version:
                self._enter(record.name, record.version, self._read(record))

    def advance(self, schedule: Schedule, version: int) -> None:
        """So it was stored."""
        self._enter(schedule.name, version, schedule)

    def set_aside(self, name: str, version: int, error: Exception) -> None:
        """Leave it alone until somebody changes it."""
        self._report("scheduler", ScheduleUnreadable(name, str(error)))
        self._entries[name] = Entry(version, None)

    def keep_only(self, names: Collection[str]) -> None:
        """The others are gone from the store."""
        for name in self._entries.keys() - set(names):
            del self._entries[name]

    def _enter(self, name: str, version: int, schedule: Schedule | None) -> None:
        self._entries[name] = Entry(version, schedule)
        if schedule is not None and schedule.next_at is not None and not schedule.paused:
            heapq.heappush(self._heap, (schedule.next_at, name))

    def _read(self, record: Record) -> Schedule | None:
        try:
            return read_schedule(record)
        except ScheduleUnreadable as error:
            self._report("scheduler", error)
            return None

    def _drop_outdated(self) -> None:
        """Ticks of schedules that were changed, removed or taken since."""
        while self._heap and not self._stands(*self._heap[0]):
            heapq.heappop(self._heap)

    def _stands(self, tick: int, name: str) -> bool:
        entry = self._entries.get(name)
        schedule = None if entry is None else entry.schedule
        return schedule is not None and schedule.next_at == tick and not schedule.paused
