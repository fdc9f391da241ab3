"""A job belongs to one worker at a time."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from headrace.testing.history.asking import lives_once
from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Index, Life
from headrace.testing.history.records import Granted, Leased
from headrace.testing.history.verdict import Kind

_TICK = 2
"""Milliseconds by which two clocks that are rounded apart may differ."""


def find_overlaps(index: Index) -> Iterator[Finding]:
    """OVERLAP: one generation for two, or a job taken from a worker whose lease lasts."""
    for job, life in lives_once(index):
        if len(life.granted) > 1:
            yield from _find_twins(job, life)
            if index.scope.exact:
                yield from _find_taken(index, job, life)
            elif index.scope.steady:
                yield from _find_robbed(index, job, life)
        if len(life.started) > 1:
            yield from _find_second_starts(job, life)


def _find_twins(job: str, life: Life) -> Iterator[Finding]:
    """Each generation is given out once."""
    in_order = sorted(life.granted, key=lambda granted: (granted[1].generation, granted[0]))
    for generation, group in groupby(in_order, key=lambda granted: granted[1].generation):
        (first, one), *others = group
        for place, other in others:
            what = f"{job} was given out twice under generation {generation}: to {one.worker} at {one.at} and to"
            what += f" {other.worker} at {other.at}"
            yield Finding(Kind.OVERLAP, what, (job,), (first, place))


def _find_second_starts(job: str, life: Life) -> Iterator[Finding]:
    """Under each generation one handler begins."""
    in_order = sorted(life.started, key=lambda started: (started[1].generation, started[0]))
    for generation, group in groupby(in_order, key=lambda started: started[1].generation):
        (first, one), *others = group
        for place, other in others:
            what = f"{job} began twice under generation {generation}: in {one.process} at {one.at} and in"
            what += f" {other.process} at {other.at}"
            yield Finding(Kind.OVERLAP, what, (job,), (first, place))


def _find_taken(index: Index, job: str, life: Life) -> Iterator[Finding]:
    """In the order of the list: whoever is given a job finds it free, or its holder's lease run out."""
    left = {settled.generation: place for place, settled in life.moves}
    for (before, holder), (place, grant) in pairwise(life.granted):
        if before < left.get(holder.generation, -1) < place or grant.generation == holder.generation:
            continue
        what = f"{job} was given to {grant.worker} under generation {grant.generation} at {grant.at}, while"
        what += f" {holder.worker} held it under generation {holder.generation}"
        if not grant.rescued:
            yield Finding(Kind.OVERLAP, f"{what}: a claim takes no running job", (job,), (before, place))
            continue
        leased = _lease(index, holder, place)
        if leased is not None and leased[1].until > grant.at + _TICK:
            what = f"{what} with a lease until {leased[1].until}"
            yield Finding(Kind.OVERLAP, what, (job,), (before, leased[0], place))


def _find_robbed(index: Index, job: str, life: Life) -> Iterator[Finding]:
    """Where only instants are known: its holder beat from before the claim until after the rescue, never too late."""
    slack = index.scope.slack
    for (before, holder), (place, grant) in pairwise(life.generations()):
        claimed_at = holder.started_at
        if not grant.rescued or holder.rescued or grant.generation != holder.generation + 1:
            continue
        if claimed_at is None or claimed_at > holder.at + slack:
            continue
        beats = _beats(index.leased.get(holder.worker, []), claimed_at, grant.at, slack)
        if beats:
            what = f"{job} was given to {grant.worker} under generation {grant.generation} by {grant.at}, while"
            what += (
                f" {holder.worker} held it under generation {holder.generation} since {claimed_at} and never let its"
            )
            what += " lease run out"
            yield Finding(Kind.OVERLAP, what, (job,), (before, *beats, place))


def _beats(leased: Sequence[tuple[int, Leased]], begin: int, end: int, slack: int) -> Sequence[int] | None:
    """Beats that kept a lease alive from one instant to another; the last of them came after that: a worker that ended
    its lease beats no more."""
    leased = sorted(leased, key=_instant)
    first = bisect_right(leased, begin, key=_instant) - 1
    if first < 0:
        return None
    places: list[int] = []
    until = begin + slack + 1
    for place, lease in leased[first:]:
        if lease.at >= until - slack:
            return None
        places.append(place)
        until = lease.until
        if lease.at > end + slack:
            return places
    return None


def _instant(leased: tuple[int, Leased]) -> int:
    return leased[1].at


def _lease(index: Index, holder: Granted, place: int) -> tuple[int, Leased] | None:
    """The lease of a worker as it stood there."""
    leased = index.leased.get(holder.worker, [])
    following = bisect_left(leased, place, key=lambda one: one[0])
    return leased[following - 1] if following else None
