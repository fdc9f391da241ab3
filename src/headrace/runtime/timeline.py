"""Writes down what a worker's tally tells: every two seconds, where anything happened, and never on the way of a job.

Each row holds a whole span of time and is written anew while that lasts, under the same id: a call whose answer was
lost is repeated without harm, and a worker that is killed takes the last two seconds along, no more.
"""

from collections.abc import Mapping, Sequence

import msgspec

from headrace.model.metric import Activity, added
from headrace.model.timeline import Entry
from headrace.runtime.tally import Tally
from headrace.storage.contract import Storage
from headrace.system.clock import Clock

EVENT = "event"
"""The kind of entries that tell of ten seconds of one queue on one worker."""
PART = "part"
"""The kind of one worker's share in a minute of one queue."""
BUCKET = "bucket"
"""The kind of a minute of one queue, over all workers."""

SLOT = 10_000
MINUTE = 60_000
"""Milliseconds."""
KEPT: Mapping[str, float] = {EVENT: 86400.0, PART: 3600.0, BUCKET: 30 * 86400.0}
"""Seconds."""
_FLUSH = 2.0
"""Seconds."""
_MOST_UNWRITTEN = 10_000
"""Entries that are kept for a storage that can't be reached; the oldest go first."""


class Timeline:
    """Of one worker."""

    def __init__(self, worker_id: str, storage: Storage, clock: Clock, tally: Tally) -> None:
        self._worker_id, self._storage, self._clock, self._tally = worker_id, storage, clock, tally
        self._ahead = clock.wall() - 1000 * clock.monotonic()
        """Milliseconds by which the storage's clock is ahead of our monotonic one, when last asked."""
        self._taken_at = clock.wall()
        """By the storage's clock."""
        self._spans = (_Span(EVENT, SLOT), _Span(PART, MINUTE))
        self._unwritten: dict[str, Entry] = {}

    async def step(self) -> float:
        """Write what happened. Seconds until the next time: no span of time ends in between."""
        await self.flush()
        return min(_FLUSH, (SLOT - self._now() % SLOT) / 1000 + 0.001)

    async def flush(self) -> None:
        """Write what happened since the last time."""
        taken = self._tally.take()
        if taken:
            await self._ask_time()
            self._note(taken)
        self._taken_at = self._now()
        if self._unwritten:
            await self._write()

    def _now(self) -> int:
        return round(1000 * self._clock.monotonic() + self._ahead)

    async def _ask_time(self) -> None:
        try:
            self._ahead = await self._storage.now() - 1000 * self._clock.monotonic()
        except Exception:
            return  # what was taken must not be lost, and the last answer will do: writing it down tells the error

    def _note(self, taken: Mapping[str, Activity]) -> None:
        """All of it belongs to the span in which this look's time began, or to that of two seconds ago where the loop
        has not turned since."""
        now = self._now()
        at = min(now, max(self._taken_at, now - round(1000 * _FLUSH)))
        for span in self._spans:
            for entry in span.add(taken, at, self._worker_id):
                self._unwritten.pop(entry.id, None)
                self._unwritten[entry.id] = entry
        for entry_id in list(self._unwritten)[:-_MOST_UNWRITTEN]:
            del self._unwritten[entry_id]

    async def _write(self) -> None:
        entries = list(self._unwritten.values())
        await self._storage.record(entries)
        for entry in entries:
            if self._unwritten.get(entry.id) is entry:
                del self._unwritten[entry.id]


class _Span:
    """What happened in the span of time that is open, by queue."""

    def __init__(self, kind: str, length: int) -> None:
        self._kind, self._length = kind, length
        self._number = 0
        self._parts: dict[str, Activity] = {}
        self._turns = 0
        """How often the clock was stepped back: what was written of a span may not be replaced by what comes now."""

    def add(self, taken: Mapping[str, Activity], at: int, worker_id: str) -> Sequence[Entry]:
        """The entries that this changes."""
        number = at // self._length
        if number != self._number:
            self._turns += number < self._number
            self._number, self._parts = number, {}
        changed = added(self._parts, taken)
        self._parts |= changed
        writer = f"{worker_id}.{self._turns}" if self._turns else worker_id
        return [self._entry(queue, activity, writer) for queue, activity in changed.items()]

    def _entry(self, queue: str, activity: Activity, writer: str) -> Entry:
        told = activity if self._kind == PART else Activity(activity.tasks)
        value = msgspec.json.encode(told).decode()
        return Entry(
            f"{self._kind}:{self._number}:{queue}:{writer}", self._kind, queue, self._number * self._length, value
        )


def writer_of(entry: Entry) -> str:
    """The worker that wrote an entry of kind ``event`` or ``part``."""
    return entry.id.split(":", 3)[3]
