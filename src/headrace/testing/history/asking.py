"""What producers and operators were told of the jobs that they asked for."""

from collections.abc import Sequence
from enum import Enum

from headrace.model.state import FINAL
from headrace.testing.history.index import Call, Index, Life
from headrace.testing.history.records import Answer, Ordering


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


def may_exist(index: Index, job: str, life: Life) -> bool:
    """Whether somebody asked for it and was not told that it was left out."""
    if life.brought or life.promised is not None:
        return True
    return any(told(index, job, call, place) in _HOPES for call, place in life.asked)


_HOPES = frozenset({Told.PROMISED, Told.UNKNOWN})


def asked_at(life: Life) -> list[int]:
    """Where it was asked for, and where that was answered."""
    return [place for call, _ in life.asked for place in (call.asked, call.answered) if place is not None]


def commands(life: Life, *names: str) -> list[tuple[int, Ordering]]:
    """What of this operators asked of the job, whatever came of it."""
    if not life.ordered:
        return []
    return [(place, order) for place, order in life.ordered if isinstance(order, Ordering) and order.command in names]


def may_be_final(life: Life) -> bool:
    """Whether something is known that can have made the job final."""
    return any(move.state in FINAL for _, move in life.moves) or bool(commands(life, "cancel"))


def may_be_gone(index: Index, life: Life) -> bool:
    """Whether the job can have left the store: deleted, or final and removed."""
    if commands(life, "delete"):
        return True
    return index.scope.removed > 0 and (not index.scope.exact or may_be_final(life))


def may_be_reborn(index: Index, life: Life) -> bool:
    """Whether the job can have left the store and have come again under its id: all counts begin anew then."""
    return len(life.asked) + len(life.brought) > 1 and may_be_gone(index, life)


def lives_once(index: Index) -> Sequence[tuple[str, Life]]:
    """The jobs that can't."""
    if index.once is None:
        index.once = [(job, life) for job, life in index.lives.items() if not may_be_reborn(index, life)]
    return index.once
