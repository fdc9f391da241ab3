"""Only who holds a job writes to it, and it ends once.

Generations order what happened to a job, whatever the order of the records: each is given out once, and ended by at
most one write, or by a rescue, and not by both.
"""

from collections.abc import Iterator
from itertools import groupby

from headrace.model.state import FINAL, State
from headrace.testing.history.asking import commands, lives_once
from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Index, Life, Moves
from headrace.testing.history.records import Granted, Settled, Started
from headrace.testing.history.verdict import Kind


def find_stale_writes(index: Index) -> Iterator[Finding]:
    """STALE_WRITE: let through after the job was taken over, or from somebody who never held it."""
    for job, life in lives_once(index):
        if not life.settled:
            continue
        for place, settled in life.settled:
            if settled.applied:
                stale = _why_stale(index, life, place, settled)
                if stale is not None:
                    what = f"{_said(job, settled)}, {stale[1]}"
                    yield Finding(Kind.STALE_WRITE, what, (job,), (stale[0], place))
        if len(life.settled) > 1:
            yield from _find_second_writes(job, life.moves)
        yield from _find_outrun(index, job, life)


def _said(job: str, settled: Settled) -> str:
    what = "a note" if settled.state is None else f"the change to {settled.state}"
    return f"{what} of {job} by {settled.worker} under generation {settled.generation} was let through at {settled.at}"


def _why_stale(index: Index, life: Life, place: int, settled: Settled) -> tuple[int, str] | None:
    """Where one sees that its writer did not hold the job, and how."""
    mine, holder = False, None
    for where, grant in life.granted:
        if grant.generation == settled.generation:
            mine = mine or grant.worker == settled.worker
            holder = holder or (where, f"which was given to {grant.worker}")
        elif grant.generation > settled.generation:
            # A rescue finds a running job: what ended the generation before it was written later. A claim finds a
            # waiting one, so that such a write was right if it was earlier: only an exact order tells.
            after_all = grant.rescued and grant.generation == settled.generation + 1 and settled.state is not None
            if after_all or (index.scope.exact and where < place):
                return where, f"though generation {grant.generation} was given to {grant.worker}"
    if not mine and holder is not None:
        return holder
    if not mine and index.scope.exact:
        return place, "which was never given out"
    return None


def _find_second_writes(job: str, moves: Moves) -> Iterator[Finding]:
    """Two writes under one generation took the job from its worker."""
    moves = sorted(moves, key=lambda move: (move[1].generation, move[0]))
    for _, group in groupby(moves, key=lambda move: move[1].generation):
        (first, before), *others = group
        for place, settled in others:
            if not (before.state in FINAL and settled.state in FINAL):  # that is a double completion
                what = f"{_said(job, settled)}, after its change to {before.state} at {before.at}"
                yield Finding(Kind.STALE_WRITE, what, (job,), (first, place))


def _find_outrun(index: Index, job: str, life: Life) -> Iterator[Finding]:
    """The row at the end stands elsewhere than where its completion left it."""
    row = life.row
    if row is None or index.rows is None or commands(life, "retry"):
        return
    for place, settled in life.settled:
        if not settled.applied or settled.state is not State.COMPLETED:
            continue
        held = (settled.generation, settled.worker) == (row.generation, row.worker)
        if not held or row.state is not State.COMPLETED:
            what = f"{_said(job, settled)}, and its row is {row.state} under generation {row.generation}"
            yield Finding(Kind.STALE_WRITE, f"{what} of {row.worker}", (job,), (place, index.rows))


def find_lost_generations(index: Index) -> Iterator[Finding]:
    """STALE_WRITE: the row at the end has fallen behind a generation that was given out."""
    if index.rows is None:
        return
    for job, life in lives_once(index):
        row = life.row
        if row is None:
            continue
        given: list[tuple[int, Granted | Started]] = [*life.granted, *life.started]
        for place, record in given:
            if record.generation > row.generation:
                what = f"{job} was given out under generation {record.generation}, and its row is at {row.generation}"
                yield Finding(Kind.STALE_WRITE, what, (job,), (place, index.rows))
                break


def find_double_completions(index: Index) -> Iterator[Finding]:
    """DOUBLE_COMPLETION: more ends than an operator's sending back accounts for."""
    for job, life in lives_once(index):
        if len(life.settled) < 2:
            continue
        ends = [(place, end) for place, end in life.moves if end.state in FINAL]
        returns = commands(life, "retry")
        completions = sum(end.state is State.COMPLETED for _, end in ends)
        if len(ends) <= 1 + len(returns) and completions <= 1:
            continue
        if completions > 1:  # a completed job is never sent back
            ends, returns = [(place, end) for place, end in ends if end.state is State.COMPLETED], []
        told = ", ".join(f"{end.state} under generation {end.generation} at {end.at}" for _, end in ends)
        sent = f", sent back {len(returns)} times" if returns else ""
        what = f"{job} came to its end {len(ends)} times{sent}: {told}"
        yield Finding(Kind.DOUBLE_COMPLETION, what, (job,), tuple(place for place, _ in (*returns, *ends)))


def find_returns(index: Index) -> Iterator[Finding]:
    """GHOST: given out again after it had ended, with nobody sending it back."""
    for job, life in lives_once(index):
        if not life.settled or len(life.granted) < 2:
            continue
        for place, end in life.moves:
            if end.state is not State.COMPLETED and (end.state is not State.DEAD or commands(life, "retry")):
                continue
            after = [(where, grant) for where, grant in life.generations() if grant.generation > end.generation]
            if after and not after[0][1].rescued:  # a rescue says that the end came late: a stale write
                where, grant = after[0]
                what = f"{job} became {end.state} under generation {end.generation} at {end.at} and was given out again"
                what += f" under generation {grant.generation} to {grant.worker}"
                yield Finding(Kind.GHOST, what, (job,), (place, where))
