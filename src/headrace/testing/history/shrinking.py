"""From a finding to the smallest part of the history in which it can still be seen."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from headrace.testing.history.finding import Family, Finding
from headrace.testing.history.index import Index, Life
from headrace.testing.history.records import AnyRecord, Enqueued, Enqueueing, Ordered, Ordering, Rows
from headrace.testing.history.scope import Scope

EFFORT = 20_000
"""How many records, all tries together, are looked at again to make one finding smaller."""


def shrink(index: Index, family: Family, finding: Finding) -> Sequence[AnyRecord]:
    """Records of the history, in order, from which the family says the same; none of them can be left out, unless it
    took too long to find out. Records about several jobs tell of those only that the finding is about."""
    jobs = frozenset(finding.jobs)
    part = _narrowed(index, finding.places, jobs)
    if not _says(family, part, index.scope, finding):
        part = _narrowed(index, _about(index, jobs, finding.places), jobs)
        if not _says(family, part, index.scope, finding):
            return part
    effort, step = EFFORT, max(1, len(part) // 2)
    while True:
        start, smaller = 0, False
        while start < len(part) and effort > 0:
            rest = part[:start] + part[start + step :]
            effort -= len(rest) + 1
            if _says(family, rest, index.scope, finding):
                part, smaller = rest, True
            else:
                start += step
        if effort <= 0 or (step == 1 and not smaller):
            return part
        step = max(1, step // 2)


def _says(family: Family, records: Sequence[AnyRecord], scope: Scope, finding: Finding) -> bool:
    found = family(Index(records, scope))
    return any(other.kind is finding.kind and other.what == finding.what for other in found)


def _about(index: Index, jobs: Iterable[str], places: Iterable[int]) -> Iterable[int]:
    """The places themselves, and all that is known of these jobs."""
    yield from places
    for job in jobs:
        yield from _places(index.lives.get(job, Life()))
    if index.rows is not None:
        yield index.rows


def _places(life: Life) -> Iterable[int]:
    for call, _ in life.asked:
        yield call.asked
        if call.answered is not None:
            yield call.answered
    for record in (life.brought, life.granted, life.settled, life.started, life.ended, life.ordered, life.waited):
        for place, _ in record:
            yield place


def _narrowed(index: Index, places: Iterable[int], jobs: frozenset[str]) -> list[AnyRecord]:
    return [_narrow(index, index.records[place], jobs) for place in sorted(set(places))]


def _narrow(index: Index, record: AnyRecord, jobs: frozenset[str]) -> AnyRecord:
    """The same record, of these jobs only."""
    match record:
        case Enqueueing():
            return replace(record, jobs=[wanted for wanted in record.jobs if wanted.id in jobs])
        case Enqueued():
            call = index.calls.get((record.process, record.call))
            if call is None:
                return record
            pairs = zip(call.asking.jobs, record.answers, strict=False)
            return replace(record, answers=[answer for wanted, answer in pairs if wanted.id in jobs])
        case Ordering():
            return replace(record, jobs=[job for job in record.jobs if job in jobs])
        case Ordered():
            return replace(record, done=[job for job in record.done if job in jobs])
        case Rows():
            return replace(record, jobs=[row for row in record.jobs if row.id in jobs])
        case _:
            return record
