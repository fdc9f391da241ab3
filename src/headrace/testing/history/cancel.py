"""What was cancelled while it waited never starts, and what was cancelled is not tried again."""

from collections.abc import Iterator

from headrace.model.state import FINAL, State
from headrace.testing.history.asking import commands, lives_once
from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Index, Life
from headrace.testing.history.records import Ordered
from headrace.testing.history.verdict import Kind


def find_revived(index: Index) -> Iterator[Finding]:
    """CANCEL: given out, run or ended otherwise after a cancel was answered; or given out after it ended cancelled."""
    for job, life in lives_once(index):
        for place, end in life.moves:
            if end.state is State.CANCELLED:
                for where, grant in life.granted:
                    if grant.generation > end.generation and not grant.rescued:
                        what = f"{job} was cancelled under generation {end.generation} at {end.at} and was given to"
                        what += f" {grant.worker} under generation {grant.generation} at {grant.at}"
                        yield Finding(Kind.CANCEL, what, (job,), (place, where))
                        break
        if life.ordered and not commands(life, "retry"):
            for place, ordered in life.ordered:
                if isinstance(ordered, Ordered) and ordered.command == "cancel":
                    yield from _judge(index, job, life, place, ordered)


def _judge(index: Index, job: str, life: Life, answered: int, ordered: Ordered) -> Iterator[Finding]:
    """After the answer no run begins whose claim came after it; where it waited, it is not even given out."""
    asked = _asked(life, answered, ordered)
    if asked is None:
        return
    if index.scope.exact and ordered.waited:
        yield from _find_running(job, life, asked, answered, ordered)
    starts = {started.generation: place for place, started in life.started}
    waited = index.scope.exact and _waited(life, asked, answered)
    for place, grant in life.granted:
        if index.scope.exact:
            after = place > answered
        else:
            known = grant.started_at if index.scope.steady else None
            after = known is not None and known > ordered.at + index.scope.slack
        started = starts.get(grant.generation)
        if after and not grant.rescued and (waited or started is not None):
            what = f"{job} was cancelled at {ordered.at}, and was given to {grant.worker} under generation"
            what += f" {grant.generation} at {grant.at}" + ("" if started is None else ", and ran")
            seen = (place,) if started is None else (place, started)
            yield Finding(Kind.CANCEL, what, (job,), (asked, answered, *seen))
            return
    row = life.row
    if waited and row is not None and row.state is not State.CANCELLED and index.rows is not None:
        what = f"{job} was cancelled at {ordered.at} while it waited, and is {row.state} at the end"
        yield Finding(Kind.CANCEL, what, (job,), (asked, answered, index.rows))


def _find_running(job: str, life: Life, asked: int, answered: int, ordered: Ordered) -> Iterator[Finding]:
    """It was said to have waited, and somebody held it."""
    held = [(place, grant) for place, grant in life.generations() if place < answered]
    if held and not any(
        change.generation == held[-1][1].generation for place, change in life.moves if place < answered
    ):
        place, grant = held[-1]
        what = f"{job} was cancelled at {ordered.at} as one that waits, while {grant.worker} held it under generation"
        what += f" {grant.generation} since {grant.at}"
        yield Finding(Kind.CANCEL, what, (job,), (place, asked, answered))


def _asked(life: Life, answered: int, ordered: Ordered) -> int | None:
    """Where the command was given."""
    for place, command in commands(life, "cancel"):
        if place < answered and (command.process, command.call) == (ordered.process, ordered.call):
            return place
    return None


def _waited(life: Life, begin: int, end: int) -> bool:
    """Whether nobody held the job between these places, nor had it ended."""
    left = {change.generation: place for place, change in life.moves}
    for place, grant in life.granted:
        if place < end and left.get(grant.generation, end) >= begin:
            following = [
                other for where, other in life.granted if where < begin and other.generation > grant.generation
            ]
            if not following:
                return False
    return not any(change.state in FINAL and place < end for place, change in life.moves)
