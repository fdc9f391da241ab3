"""Of what waits in a queue and is due, a claim takes what comes first. Needs an exact order.

What is promised: a claim makes a bounded batch of due scheduled and retrying jobs pending, and then takes pending ones
by priority, due time and id. So a job is passed over wrongly where it was surely pending: it was so when it came to
wait, or it had come due and no more jobs wait for their time than any storage promotes in one batch. That it was there
is sure from its promise on (or from the change that brought or returned it) until it is given out; by which priority
and due time it waited is told by whoever is given it then, or by its row at the end. Jobs that an operator touched are
left out.
"""

from collections import defaultdict
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from headrace.model.state import WAITING, State
from headrace.testing.history.asking import asked_at, lives_once
from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Index, Life
from headrace.testing.history.records import Granted
from headrace.testing.history.verdict import Kind

PROMOTED = 100
"""Due jobs of a queue that every storage makes pending in one claim, at least."""

Key = tuple[int, int, str]
_NEVER = 2**62


class Wait(NamedTuple):
    """From where to where a job surely waited, and as what."""

    begin: int
    end: int
    key: Key
    queue: str
    pending: bool
    """From the beginning."""


def find_inversions(index: Index) -> Iterator[Finding]:
    """INVERSION: given out before one that comes before it."""
    if not index.scope.exact or not index.scope.steady:
        return
    waits: defaultdict[str, list[Wait]] = defaultdict(list)
    grants: defaultdict[str, list[tuple[int, Granted]]] = defaultdict(list)
    delayed: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for life in index.lives.values():
        for place, grant in life.granted:
            if not grant.rescued:
                grants[grant.queue].append((place, grant))
        wanted = life.wanted
        if len(life.moves) > 1 or len(life.granted) > 1 or (wanted and (wanted.delay or wanted.due_at is not None)):
            for queue, place, more in _delays(life):
                delayed[queue].append((place, more))
    for job, life in lives_once(index):
        if not life.ordered:
            for wait in _waits(job, life):
                waits[wait.queue].append(wait)
    for queue, given in grants.items():
        yield from _sweep(index, sorted(given), sorted(waits[queue]), sorted(delayed[queue]))


def _waits(job: str, life: Life) -> Iterator[Wait]:
    """Between what made it wait and the claim of the generation that follows."""
    begin, wanted = _came(life), life.wanted
    if begin is not None:
        pending = wanted is not None and not wanted.delay and wanted.due_at is None
        wait = _wait(job, life, begin, 0, pending)
        if wait is not None:
            yield wait
    for place, change in life.moves:
        if change.state in WAITING:
            wait = _wait(job, life, place, change.generation, change.state is State.PENDING)
            if wait is not None:
                yield wait


def _came(life: Life) -> int | None:
    """From where on it surely was in the store."""
    brought = [place for place, change in life.brought if change.applied]
    wanted = life.wanted
    if brought:
        return brought[0] if wanted is None or wanted.key is None else None
    return life.promised


def _wait(job: str, life: Life, begin: int, generation: int, pending: bool) -> Wait | None:
    """What it waited as since it was left under this generation, where that is known."""
    for place, grant in life.granted:
        if grant.generation == generation + 1:
            if grant.rescued or place < begin:
                return None
            return Wait(begin, place, (grant.priority, grant.due_at, job), grant.queue, pending)
    row = life.row
    if row is not None and row.state in WAITING and row.generation == generation:
        return Wait(begin, _NEVER, (row.priority, row.due_at, job), row.queue, pending)
    return None


def _delays(life: Life) -> Iterator[tuple[str, int, int]]:
    """Where a job that may wait for its time comes to wait (1), and is given out (-1)."""
    waiting, granted = False, iter(life.granted)
    wanted, grant = life.wanted, next(granted, None)
    if wanted is not None and (wanted.delay or wanted.due_at is not None):
        yield wanted.queue, life.asked[0][0].asked, 1
        waiting = True
    for place, change in (*life.moves, (_NEVER, None)):
        while grant is not None and grant[0] < place:
            if waiting:
                yield grant[1].queue, grant[0], -1
            waiting, grant = False, next(granted, None)
        if change is not None and change.state in (State.SCHEDULED, State.RETRYING) and life.granted and not waiting:
            yield life.granted[0][1].queue, place, 1
            waiting = True


def _sweep(
    index: Index, grants: list[tuple[int, Granted]], waits: list[Wait], delayed: list[tuple[int, int]]
) -> Iterator[Finding]:
    """Claims in order; beside them heaps of what waits: for its time, and for a worker."""
    later: list[tuple[int, int, Wait]] = []
    ready: list[tuple[Key, int, Wait]] = []
    came = noted = open_delays = number = 0
    while number < len(grants):
        batch = _batch(grants, number)
        number += len(batch)
        first, last = batch[0][0], batch[-1][0]
        now = min(grant.at if grant.started_at is None else grant.started_at for _, grant in batch)
        while came < len(waits) and waits[came].begin < first:
            wait = waits[came]
            came += 1
            if wait.pending:
                heappush(ready, (wait.key, wait.begin, wait))
            else:
                heappush(later, (wait.key[1], wait.begin, wait))
        while noted < len(delayed) and delayed[noted][0] < first:
            open_delays += delayed[noted][1]
            noted += 1
        while later and later[0][0] <= now and open_delays <= PROMOTED:
            _, begin, wait = heappop(later)
            heappush(ready, (wait.key, begin, wait))
        while ready and ready[0][2].end <= last:
            heappop(ready)
        key, place, taken = max(((grant.priority, grant.due_at, grant.job), place, grant) for place, grant in batch)
        if ready and ready[0][0] < key:
            yield _finding(index, heappop(ready)[2], place, taken, now)


def _batch(grants: list[tuple[int, Granted]], number: int) -> list[tuple[int, Granted]]:
    """Grants of one claim; or of several by one worker at one instant, with nothing between that came to wait."""
    first = grants[number][1]
    end = number + 1
    while end < len(grants):
        place, grant = grants[end]
        if grant.worker != first.worker or grant.at != first.at or place != grants[end - 1][0] + 1:
            break
        end += 1
    return grants[number:end]


def _finding(index: Index, wait: Wait, place: int, taken: Granted, now: int) -> Finding:
    job = wait.key[2]
    what = f"{taken.job} (priority {taken.priority}, due at {taken.due_at}) was given to {taken.worker} at {now}, while"
    what += (
        f" {job} (priority {wait.key[0]}, due at {wait.key[1]}) waited in {taken.queue} since {index.at(wait.begin)}"
    )
    end = index.rows if wait.end == _NEVER else wait.end
    places = (*asked_at(index.lives[job]), wait.begin, place)
    return Finding(Kind.INVERSION, what, (job, taken.job), places if end is None else (*places, end))
