"""Schedules: which ticks are due, and what becomes of one that is declared, edited, paused and resumed.

A tick is an instant at which a schedule wants a job. A schedule carries its cursor, the next tick, and the cursor only
rises: whoever stores the advanced schedule in one step with the jobs of its ticks has enqueued each tick once, whatever
the clock does.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from itertools import islice

import msgspec
from msgspec.structs import replace

from headrace.model.cron import Cron, parse_cron
from headrace.model.job import NewJob, Until

SHORTEST = 0.1
"""Seconds: the shortest interval."""
LATE = 60_000
"""Milliseconds that a tick may be late where missed ones are dropped."""
SCHEDULE_HEADER, TICK_HEADER = "headrace-schedule", "headrace-tick"
"""Headers of a scheduled job: the name, and the instant of its tick as ISO text in UTC."""


class CatchUp(StrEnum):
    """What becomes of ticks that passed while nobody looked."""

    LAST = "last"
    """The latest of them is made good."""
    NONE = "none"
    """None: only the latest fires, and only if it is at most a minute late."""
    ALL = "all"
    """Each is made good, in order."""


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True):
    """One schedule as stored. Either ``cron`` or ``every`` is given."""

    name: str
    job: NewJob
    """What each tick enqueues, but for its id and its instant: ``delay`` is counted from the tick."""
    cron: str | None = None
    every: float | None = None
    """Seconds."""
    tz: str = "UTC"
    catch_up: CatchUp = CatchUp.LAST
    overlap: bool = True
    """False: a tick is skipped while the job of an earlier one is not final."""
    times: int | None = None
    """After so many ticks there is none."""
    paused: bool = False
    declared: str = ""
    """The digest of the declaration it stems from; empty where a program made it at run time."""
    edited: bool = False
    """Whether an operator changed it since."""
    fired: int = 0
    """How many ticks brought a job, or would have but for a job in the way."""
    last_at: int | None = None
    """The last tick that is done with."""
    next_at: int | None = None
    """The next tick: the cursor. None: there is none."""

    def next_firings(self, count: int = 5) -> Sequence[int]:
        """The next ticks, milliseconds since 1970 UTC; none while it is paused."""
        left = count if self.times is None else min(count, self.times - self.fired)
        return () if self.paused else tuple(islice(_ticks(self), max(0, left)))


class Due(msgspec.Struct, frozen=True):
    """What is to be enqueued now, and the schedule with its cursor beyond that."""

    ticks: Sequence[int]
    after: Schedule


def due(schedule: Schedule, now: int, most: int) -> Due | None:
    """The ticks that are due, at most ``most``; None where none is. What is left is due at once."""
    first = schedule.next_at
    if schedule.paused or first is None or first > now:
        return None
    if schedule.catch_up is CatchUp.ALL:
        ticks = [tick for tick in islice(_ticks(schedule), most) if tick <= now]
        last = ticks[-1]
    else:
        last = _latest(schedule, first, now)
        ticks = [] if schedule.catch_up is CatchUp.NONE and now - last > LATE else [last]
    if schedule.times is not None:
        ticks = ticks[: schedule.times - schedule.fired]
    return Due(ticks, _advanced(schedule, last, len(ticks)))


def _advanced(schedule: Schedule, last: int, fired: int) -> Schedule:
    beyond = replace(schedule, last_at=last, fired=schedule.fired + fired)
    return replace(beyond, next_at=None if _is_over(beyond) else _following(beyond, last))


def _is_over(schedule: Schedule) -> bool:
    return schedule.times is not None and schedule.fired >= schedule.times


def _ticks(schedule: Schedule) -> Iterator[int]:
    """From the cursor on."""
    tick = schedule.next_at
    while tick is not None:
        yield tick
        tick = _following(schedule, tick)


def _following(schedule: Schedule, tick: int) -> int | None:
    """The tick after this one."""
    if schedule.cron is not None:
        return _cron(schedule.cron, schedule.tz).next(tick)
    return tick + _milliseconds(schedule)


def _latest(schedule: Schedule, first: int, now: int) -> int:
    """The last tick up to now; ``first`` is one."""
    if schedule.cron is None:
        every = _milliseconds(schedule)
        return first + (now - first) // every * every
    cron = _cron(schedule.cron, schedule.tz)
    following = cron.next(first)
    if following is None or following > now:
        return first
    # A year of seconds was missed? The latest second whose next tick is past now is found by halving: thirty looks.
    before, after = first // 1000, now // 1000
    while after - before > 1:
        middle = (before + after) // 2
        following = cron.next(middle * 1000)
        before, after = (middle, after) if following is not None and following <= now else (before, middle)
    return after * 1000


def first_tick(schedule: Schedule, now: int) -> int | None:
    """The first tick of a schedule that begins now, and after what it has done already: an interval begins with a
    pause."""
    start = now if schedule.last_at is None else max(now, schedule.last_at)
    return None if _is_over(schedule) else _following(schedule, start)


def resumed(schedule: Schedule, now: int) -> Schedule:
    """No longer paused. What passed meanwhile is not made good; an interval keeps its beat."""
    if not schedule.paused:
        return schedule
    cursor = schedule.next_at
    if schedule.cron is None and cursor is not None:
        every = _milliseconds(schedule)
        cursor += max(0, -(-(now + 1 - cursor) // every)) * every
    elif cursor is None or cursor <= now:
        cursor = first_tick(schedule, now)
    return replace(schedule, paused=False, next_at=cursor)


def edited(before: Schedule, after: Schedule, now: int) -> Schedule:
    """``after`` as an operator wants it, with the cursor that follows."""
    return _with_cursor(before, replace(after, edited=True), now)


def redeclared(stored: Schedule | None, declared: Schedule, now: int) -> Schedule | None:
    """What to store for this declaration; None where what is stored stems from it already."""
    if stored is None:
        return replace(declared, next_at=first_tick(declared, now))
    if stored.declared == declared.declared and declared.declared:
        return None
    return _with_cursor(stored, replace(declared, last_at=stored.last_at), now)


def _with_cursor(before: Schedule, after: Schedule, now: int) -> Schedule:
    """The same times go on from where they were; new ones begin now. Neither comes to a tick twice."""
    if _timing(before) == _timing(after) and not before.paused and not _is_over(after) and before.next_at is not None:
        return replace(after, next_at=before.next_at)
    return replace(after, next_at=first_tick(after, now))


def _timing(schedule: Schedule) -> tuple[object, ...]:
    return (schedule.cron, schedule.every, schedule.tz)


def job_of(schedule: Schedule, tick: int | None, job_id: str) -> NewJob:
    """The job of a tick; without one, the job that an operator wants now."""
    job, headers = schedule.job, {SCHEDULE_HEADER: schedule.name}
    if tick is not None:
        headers[TICK_HEADER] = _iso(tick)
    new = replace(
        job,
        id=job_id,
        at=None if tick is None else tick + round(job.delay * 1000),
        options=replace(job.options, headers={**job.options.headers, **headers}),
    )
    if schedule.overlap:
        return new
    return replace(new, key=f"schedule:{schedule.name}", until=Until.FINISHED, window=None)


def _iso(tick: int) -> str:
    digits = "milliseconds" if tick % 1000 else "seconds"
    return datetime.fromtimestamp(tick / 1000, UTC).isoformat(timespec=digits).replace("+00:00", "Z")


@lru_cache(maxsize=1024)
def _cron(text: str, tz: str) -> Cron:
    return parse_cron(text, tz)


def _milliseconds(schedule: Schedule) -> int:
    return round((schedule.every or SHORTEST) * 1000)
