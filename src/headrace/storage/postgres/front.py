"""Where the line of a queue's pending jobs begins, as far as a handle knows it.

The server keeps an entry of its index for every job that was claimed until no open transaction could still see it
pending. While somebody holds a transaction open, these entries pile up before the first job that is really there, and
each claim would walk over all of them. Where that shows, claims begin behind the last job that was claimed, and look at
the whole line once a second: a job that comes to stand further ahead meanwhile waits for that look, at most.
"""

from collections.abc import Sequence
from typing import NamedTuple

from headrace.model.change import order
from headrace.model.job import Job
from headrace.storage.contract import Demand

_LONG_WALK = 2_000
"""Entries that a claim may walk over in vain before it is worth a word."""
_LOOK_AGAIN = 1.0
"""Seconds."""
_HIGHEST = 32_767
_NOTHING = "00000000-0000-0000-0000-000000000000"


class Stretch(NamedTuple):
    """Part of a line: priorities from ``low`` to ``high``, of ``low`` only what stands behind this place."""

    low: int
    high: int
    due_at: int
    job_id: str


WHOLE: Sequence[Stretch] = (Stretch(0, _HIGHEST, -1, _NOTHING),)


class _Known(NamedTuple):
    """What a handle knows of one line."""

    place: tuple[int, int, str]
    """Of the last job that it claimed."""
    until: float
    """Nothing up to that place is looked at before this moment."""


class Front:
    """One for a handle. Instants are seconds that never step."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def is_whole(self, queue: str, now: float) -> bool:
        """Whether a claim looks at all of a queue's line."""
        known = self._known.get(queue)
        return known is None or now >= known.until

    def stretches(self, queue: str, now: float) -> Sequence[Stretch]:
        """What of a queue's line a claim looks at, in order."""
        if self.is_whole(queue, now):
            return WHOLE
        priority, due_at, job_id = self._known[queue].place
        stretches = [Stretch(priority, priority, due_at, job_id)]
        if priority > 0:
            stretches.insert(0, Stretch(0, priority - 1, -1, _NOTHING))
        if priority < _HIGHEST:
            stretches.append(Stretch(priority + 1, _HIGHEST, -1, _NOTHING))
        return stretches

    def note(self, demand: Demand, jobs: Sequence[Job], walked: int, now: float) -> None:
        """A claim took these of a queue, and walked over so many entries, of other queues demanded with it too."""
        known = self._known.get(demand.queue)
        place = max((order(job) for job in jobs), default=None if known is None else known.place)
        if place is None:
            return
        if known is not None and now < known.until:  # behind the place only; where that gave too little, look ahead
            until = known.until if len(jobs) == demand.limit else now
            self._known[demand.queue] = _Known(max(place, known.place), until)
        else:
            is_long = walked > _LONG_WALK + demand.limit
            self._known[demand.queue] = _Known(place, now + _LOOK_AGAIN if is_long else now)
