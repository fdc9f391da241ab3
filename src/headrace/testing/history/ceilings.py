"""No more jobs of a queue run at once than its ceiling allows."""

from collections import defaultdict
from collections.abc import Iterator

from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Index, Life
from headrace.testing.history.records import Ceiling, Ended, Started
from headrace.testing.history.verdict import Kind

Run = tuple[int, int | None, str]
"""From where to where a job runs, and which; None: to the end."""


def find_crowds(index: Index) -> Iterator[Finding]:
    """CEILING: given out while as many as allowed were running. Where the order is exact at each claim, else at
    instants at which all of them surely held their jobs, where the ceiling never changed."""
    if not index.ceilings:
        return
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    for job, life in index.lives.items():
        if life.granted and life.granted[0][1].queue in index.ceilings:
            found = _runs(life) if index.scope.exact else _sure_runs(life, index.scope.slack)
            runs[life.granted[0][1].queue].extend((begin, end, job) for begin, end in found)
    for queue, ceilings in index.ceilings.items():
        if index.scope.exact:
            yield from _sweep(index, queue, ceilings, runs[queue])
        elif len({ceiling.most for _, ceiling in ceilings}) == 1:
            yield from _sweep(index, queue, [(ceilings[0][1].at, ceilings[0][1])], runs[queue])


def _runs(life: Life) -> Iterator[tuple[int, int | None]]:
    """From a claim to what put it back or ended it, by place; a rescue between leaves it running."""
    ends = iter(place for place, _ in life.moves)
    end: int | None = -1
    for place, grant in life.granted:
        if grant.rescued:
            continue
        while end is not None and end < place:
            end = next(ends, None)
        yield place, end


def _sure_runs(life: Life, slack: int) -> Iterator[tuple[int, int | None]]:
    """By instant: from when it was known to be given out to when its handler was last known to be at it, where the
    change that followed was let through."""
    settled = {change.generation for _, change in life.moves}
    for _, grant in life.granted:
        if grant.generation in settled and not grant.rescued:
            own: list[tuple[int, Started | Ended]] = [*life.started, *life.ended]
            last = max((one.at for _, one in own if one.generation == grant.generation), default=grant.at)
            if grant.at + slack < last - slack:
                yield grant.at + slack, last - slack


def _sweep(index: Index, queue: str, ceilings: list[tuple[int, Ceiling]], runs: list[Run]) -> Iterator[Finding]:
    events: list[tuple[int, int, str]] = [(begin, 1, job) for begin, _, job in runs]
    events += [(end, 0, job) for _, end, job in runs if end is not None]
    events.sort()
    running: set[str] = set()
    following, most = 0, None
    for when, begins, job in events:
        while following < len(ceilings) and ceilings[following][0] < when:
            most = ceilings[following][1].most
            following += 1
        if not begins:
            running.discard(job)
            continue
        running.add(job)
        if most is not None and len(running) > most:
            at = index.at(when) if index.scope.exact else when
            what = f"{len(running)} jobs of {queue} run at {at}, {most} are allowed: {', '.join(sorted(running))}"
            places = _places(index, running)
            yield Finding(Kind.CEILING, what, tuple(sorted(running)), (*_where(index, queue), *places))
            return


def _where(index: Index, queue: str) -> list[int]:
    return [place for place, _ in index.ceilings[queue]]


def _places(index: Index, jobs: set[str]) -> Iterator[int]:
    for job in sorted(jobs):
        life = index.lives[job]
        records: list[tuple[int, object]] = [*life.granted, *life.settled]
        if not index.scope.exact:
            records += [*life.started, *life.ended]
        for place, _ in records:
            yield place
