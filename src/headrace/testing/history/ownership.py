"""A job belongs to one worker at a time."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import groupby, pairwise

from headrace.testing.history.asking import lives_once
from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Index, Life
from headrace.testing.history.records import Granted, Leased
from headrace.testing.history.verdict import Kind

_TICK = 2
"""Milliseconds by which two clocks that are rounded apart may differ."""


def find_overlaps(index: Index) -> Iterator[Finding]:
    """OVERLAP: one generation for two, or, where the order is exact, a job taken from a worker whose lease lasts."""
    for job, life in lives_once(index):
        if len(life.granted) > 1:
            yield from _find_twins(job, life)
            if index.scope.exact:
                yield from _find_taken(index, job, life)
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


def _lease(index: Index, holder: Granted, place: int) -> tuple[int, Leased] | None:
    """The lease of a worker as it stood there."""
    leased = index.leased.get(holder.worker, [])
    following = bisect_left(leased, place, key=lambda one: one[0])
    return leased[following - 1] if following else None
