"""No job is given out before it is due, nor made due before it may be."""

from collections.abc import Iterator

from headrace.model.state import WAITING
from headrace.testing.history.asking import commands, lives_once
from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Index, Life
from headrace.testing.history.records import Granted, Settled
from headrace.testing.history.verdict import Kind


def find_early_starts(index: Index) -> Iterator[Finding]:
    """EARLY_START: before its due time, the instant or delay that was asked for, or the delay of a retry."""
    steady = index.scope.steady
    for job, life in index.lives.items():
        for place, grant in life.granted:
            now = grant.at + index.scope.slack if grant.started_at is None else grant.started_at
            if now < grant.due_at and not grant.rescued and (steady or grant.started_at is not None):
                what = f"{job} was given to {grant.worker} at {now}, and is due at {grant.due_at}"
                yield Finding(Kind.EARLY_START, what, (job,), (place,))
    for job, life in lives_once(index) if steady else ():
        if life.granted and not commands(life, "run_now", "retry"):
            yield from _find_early_due(index, job, life)
            if life.settled and len(life.granted) > 1:
                yield from _find_short_delays(index, job, life)


def _find_early_due(index: Index, job: str, life: Life) -> Iterator[Finding]:
    """Made due before its producer wanted it."""
    place, grant = life.granted[0]
    if grant.generation != 1 or grant.rescued or not life.asked:
        return
    bounds: list[tuple[int, int]] = []
    for call, position in life.asked:
        wanted = call.asking.jobs[position]
        if wanted.due_at is not None:
            bounds.append((wanted.due_at, call.asked))
        elif not wanted.delay:
            return
        else:
            bounds.append((call.asking.at + round(wanted.delay * 1000) - index.scope.slack, call.asked))
    bound, asked = min(bounds)
    if grant.due_at < bound:
        what = f"{job} was given to {grant.worker} as due at {grant.due_at}; it was not wanted before {bound}"
        yield Finding(Kind.EARLY_START, what, (job,), (asked, place))


def _find_short_delays(index: Index, job: str, life: Life) -> Iterator[Finding]:
    """Given out again before the delay of the change that put it back was over."""
    by_generation = {grant.generation: (place, grant) for place, grant in life.granted}
    for place, settled in life.moves:
        following = by_generation.get(settled.generation + 1)
        if following is None or settled.delay is None or settled.state not in WAITING or following[1].rescued:
            continue
        began, since = _put_back_at(index, life, place, settled)
        bound = began + round(settled.delay * 1000)
        where, grant = following
        if grant.due_at < bound - index.scope.slack:
            what = f"{job} was given to {grant.worker} as due at {grant.due_at}; it was put back for {settled.delay} s"
            what += f" under generation {settled.generation} at {began} or later"
            yield Finding(Kind.EARLY_START, what, (job,), (since, place, where))


def _put_back_at(index: Index, life: Life, place: int, settled: Settled) -> tuple[int, int]:
    """An instant before which it was not put back, and where that is seen."""
    if index.scope.exact:
        return settled.at, place
    seen = [(record.at, where) for where, record in life.ended if record.generation == settled.generation]
    seen += [(record.at, where) for where, record in life.started if record.generation == settled.generation]
    seen += [(record.at, where) for where, record in life.granted if _is_same(record, settled)]
    return max(seen, default=(settled.at - _LONG_CALL, place))


_LONG_CALL = 3_600_000
"""Milliseconds that no call takes."""


def _is_same(grant: Granted, settled: Settled) -> bool:
    return grant.generation == settled.generation and grant.worker == settled.worker
