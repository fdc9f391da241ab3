"""Only who holds a job writes to it, and it ends once.

Generations order what happened to a job, whatever the order of the records: each is given out once, and ended by at
most one write, or by a rescue, and not both.
"""

from collections.abc import Iterator
from itertools import groupby

from headrace.model.state import FINAL, State
from headrace.testing.history.asking import commands, may_be_reborn
from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Index, Life
from headrace.testing.history.records import Granted, Settled
from headrace.testing.history.verdict import Kind

Placed = tuple[int, Settled]


def find_stale_writes(index: Index) -> Iterator[Finding]:
    """STALE_WRITE: let through after the job was taken over, or from somebody who never held it."""
    for job, life in index.lives.items():
        if not life.settled or may_be_reborn(index, life):
            continue
        applied = _applied(index, life)
        granted = _granted(index, life)
        for place, settled in applied:
            yield from _find_stranger(job, settled, place, granted)
            if settled.state is not None:
                yield from _find_late(job, settled, place, granted)
            if index.scope.exact:
                yield from _find_overtaken(job, settled, place, granted)
        yield from _find_second_writes(job, applied)
        yield from _find_outrun(index, job, life, applied)


def find_double_completions(index: Index) -> Iterator[Finding]:
    """DOUBLE_COMPLETION: more ends than an operator's sending back accounts for."""
    for job, life in index.lives.items():
        if len(life.settled) < 2 or may_be_reborn(index, life):
            continue
        ends = [(place, settled) for place, settled in _applied(index, life) if settled.state in FINAL]
        returns = list(commands(index, life, "retry"))
        if len(ends) <= 1 + len(returns):
            continue
        told = ", ".join(
            f"{settled.state} under generation {settled.generation} at {settled.at}" for _, settled in ends
        )
        sent = f"was sent back {len(returns)} times" if returns else "nobody sent it back"
        what = f"{job} came to its end {len(ends)} times, and {sent}: {told}"
        yield Finding(Kind.DOUBLE_COMPLETION, what, (job,), (*returns, *(place for place, _ in ends)))


def _applied(index: Index, life: Life) -> list[Placed]:
    records = ((place, index.records[place]) for place in life.settled)
    return [(place, record) for place, record in records if isinstance(record, Settled) and record.applied]


def _granted(index: Index, life: Life) -> list[tuple[int, Granted]]:
    records = ((place, index.records[place]) for place in life.granted)
    return [(place, record) for place, record in records if isinstance(record, Granted)]


def _said(job: str, settled: Settled) -> str:
    what = "a note" if settled.state is None else f"the change to {settled.state}"
    return f"{what} of {job} by {settled.worker} under generation {settled.generation} was let through at {settled.at}"


def _find_stranger(job: str, settled: Settled, place: int, granted: list[tuple[int, Granted]]) -> Iterator[Finding]:
    """Whose generation belongs to another worker."""
    holders = [(where, grant) for where, grant in granted if grant.generation == settled.generation]
    if holders and all(grant.worker != settled.worker for _, grant in holders):
        where, grant = holders[0]
        what = f"{_said(job, settled)}, which was given to {grant.worker}"
        yield Finding(Kind.STALE_WRITE, what, (job,), (where, place))


def _find_late(job: str, settled: Settled, place: int, granted: list[tuple[int, Granted]]) -> Iterator[Finding]:
    """The next generation is a rescue: the job was running then, so this write came later."""
    for where, grant in granted:
        if grant.rescued and grant.generation == settled.generation + 1:
            what = f"{_said(job, settled)}, and {grant.worker} took it over under generation {grant.generation}"
            yield Finding(Kind.STALE_WRITE, what, (job,), (where, place))
            return


def _find_overtaken(job: str, settled: Settled, place: int, granted: list[tuple[int, Granted]]) -> Iterator[Finding]:
    """A newer generation was given out before, in the order of the list."""
    for where, grant in granted:
        if where < place and grant.generation > settled.generation:
            if grant.rescued and grant.generation == settled.generation + 1 and settled.state is not None:
                return
            what = f"{_said(job, settled)}, after generation {grant.generation} was given to {grant.worker}"
            yield Finding(Kind.STALE_WRITE, what, (job,), (where, place))
            return


def _find_second_writes(job: str, applied: list[Placed]) -> Iterator[Finding]:
    """Two writes under one generation took the job from its worker."""
    moves = [(place, settled) for place, settled in applied if settled.state is not None]
    if len(moves) < 2:
        return
    moves.sort(key=lambda move: (move[1].generation, move[0]))
    for _, group in groupby(moves, key=lambda move: move[1].generation):
        (first, before), *others = group
        for place, settled in others:
            if not (before.state in FINAL and settled.state in FINAL):
                what = f"{_said(job, settled)}, after its change to {before.state} at {before.at}"
                yield Finding(Kind.STALE_WRITE, what, (job,), (first, place))


def _find_outrun(index: Index, job: str, life: Life, applied: list[Placed]) -> Iterator[Finding]:
    """The row at the end has come further than its end."""
    row = life.row
    if row is None or index.rows is None or any(commands(index, life, "retry")):
        return
    for place, settled in applied:
        if settled.state is State.COMPLETED and settled.generation != row.generation:
            what = f"{_said(job, settled)}, and its row is {row.state} under generation {row.generation}"
            yield Finding(Kind.STALE_WRITE, what, (job,), (place, index.rows))
