"""Each tick of a schedule brings exactly one job."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from headrace.model.job import Job
from headrace.model.schedule import SCHEDULE_HEADER, TICK_HEADER
from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Index
from headrace.testing.history.verdict import Kind

_LATE = 5_000
"""Milliseconds before the end in which a tick may still be under way."""


def find_wrong_ticks(index: Index) -> Iterator[Finding]:
    """TICKS: none where one is due, two for one, one that no schedule has."""
    if not index.scope.fires or index.rows is None:
        return
    brought = _brought(index)
    told = _told(index)
    for (schedule, tick), jobs in sorted(brought.items()):
        if len(jobs) > 1:
            what = f"tick {tick} of schedule {schedule} brought {len(jobs)} jobs: {', '.join(sorted(jobs))}"
            yield Finding(Kind.TICKS, what, tuple(jobs), (index.rows,))
        if schedule in told and len(told[schedule][0]) == 1:
            (place,), ticks = told[schedule]
            if ticks and min(ticks) <= tick <= max(ticks) and tick not in ticks:
                what = f"{jobs[0]} came at {tick}, which is no tick of schedule {schedule}"
                yield Finding(Kind.TICKS, what, (jobs[0],), (place, index.rows))
    yield from _find_missing(index, brought, told)


def _find_missing(
    index: Index, brought: dict[tuple[str, int], list[str]], told: dict[str, tuple[list[int], set[int]]]
) -> Iterator[Finding]:
    """As many as are missing beyond those that were removed."""
    assert index.rows is not None
    last = index.at(index.rows) - _LATE
    missing = [
        (schedule, tick)
        for schedule, (_, ticks) in told.items()
        for tick in sorted(ticks)
        if tick <= last and (schedule, tick) not in brought
    ]
    if len(missing) > index.scope.removed:
        for schedule, tick in missing:
            what = f"tick {tick} of schedule {schedule} brought no job"
            yield Finding(Kind.TICKS, what, (), (*told[schedule][0], index.rows))


def _told(index: Index) -> dict[str, tuple[list[int], set[int]]]:
    """Of each schedule where it is told of, and its ticks: what is told later replaces what lies after it."""
    told: dict[str, tuple[list[int], set[int]]] = {}
    for place, scheduled in index.scheduled:
        places, ticks = told.setdefault(scheduled.schedule, ([], set()))
        if places:
            ticks.difference_update([tick for tick in ticks if tick > scheduled.at])
        places.append(place)
        ticks.update(scheduled.ticks)
    return told


def _brought(index: Index) -> dict[tuple[str, int], list[str]]:
    brought: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for job, life in index.lives.items():
        if life.row is not None and life.row.options.headers:
            tick = tick_of(life.row)
            if tick is not None:
                brought[tick].append(job)
    return brought


def tick_of(row: Job) -> tuple[str, int] | None:
    """The schedule that a job came from, and its tick in milliseconds since 1970; None where it came from none."""
    headers = row.options.headers
    schedule, tick = headers.get(SCHEDULE_HEADER), headers.get(TICK_HEADER)
    if schedule is None or tick is None:
        return None
    return schedule, round(datetime.fromisoformat(tick).timestamp() * 1000)
