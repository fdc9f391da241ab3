"""What producers were told of the jobs that they asked for."""

from collections.abc import Iterator
from enum import Enum

from headrace.model.state import FINAL
from headrace.testing.history.index import Call, Index, Life
from headrace.testing.history.records import Answer, Ordering, Settled


class Told(Enum):
    """What came of asking for one job."""

    PROMISED = "promised"
    DUPLICATE = "duplicate"
    """Another job holds its key."""
    REFUSED = "refused"
    """The call has left nothing."""
    UNKNOWN = "unknown"
    """It may be there, or come to be there."""


def told(index: Index, job: str, call: Call, place: int) -> Told:
    """What this call said of this job."""
    answer = index.answer(call, place)
    if answer is None:
        return Told.UNKNOWN
    if isinstance(answer, Answer):
        if answer.duplicate:
            return Told.DUPLICATE
        return Told.PROMISED if answer.id == job else Told.UNKNOWN
    return Told.REFUSED if answer.certain else Told.UNKNOWN


def promise(index: Index, job: str, life: Life) -> Call | None:
    """The first call that promised the job."""
    for call, place in life.asked:
        if told(index, job, call, place) is Told.PROMISED:
            return call
    return None


def may_exist(index: Index, job: str, life: Life) -> bool:
    """Whether somebody asked for it and was not told that it was left out."""
    if life.brought:
        return True
    return any(told(index, job, call, place) in _HOPES for call, place in life.asked)


_HOPES = frozenset({Told.PROMISED, Told.UNKNOWN})


def commands(index: Index, life: Life, command: str) -> Iterator[int]:
    """Where operators gave this command for the job, whatever came of it."""
    for place in life.ordered:
        record = index.records[place]
        if isinstance(record, Ordering) and record.command == command:
            yield place


def is_commanded(index: Index, life: Life, *wanted: str) -> bool:
    """Whether an operator gave one of these commands for the job."""
    return bool(life.ordered) and any(True for command in wanted for _ in commands(index, life, command))


def may_be_final(index: Index, life: Life) -> bool:
    """Whether something is known that can have made the job final."""
    if is_commanded(index, life, "cancel"):
        return True
    settled = (index.records[place] for place in life.settled)
    return any(isinstance(record, Settled) and record.applied and record.state in FINAL for record in settled)


def may_be_gone(index: Index, life: Life) -> bool:
    """Whether the job can have left the store: deleted, or final and removed."""
    if is_commanded(index, life, "delete"):
        return True
    return index.scope.removed > 0 and (not index.scope.exact or may_be_final(index, life))


def may_be_reborn(index: Index, life: Life) -> bool:
    """Whether the job can have left the store and have come again under its id: all counts begin anew then."""
    return len(life.asked) + len(life.brought) > 1 and may_be_gone(index, life)
