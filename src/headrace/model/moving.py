"""What the marks of two stores say of a move from one to the other, and so what comes next. Pure."""

from enum import StrEnum

from headrace.model.errors import MoveRefused
from headrace.model.mark import Mark, Progress, Role


class Step(StrEnum):
    """Where a move begins, or goes on that was broken off."""

    BEGIN = "begin"
    """The source is not marked yet."""
    CARRY = "carry"
    """Both are: rows go over from the target's cursor on."""
    FINISH = "finish"
    """All is over there, and the source says so: only the target's mark is left."""
    NOTHING = "nothing"
    """It was done before."""


def next_step(source: str, its: Mark | None, target: str, theirs: Mark | None) -> Step:
    """Of a move between these stores, named without passwords; MoveRefused where there is something in the way."""
    if its is not None and its.role is Role.TARGET:
        raise MoveRefused(f"{source} is itself being filled from {its.other}: finish that move first")
    if theirs is not None and theirs.role is Role.SOURCE:
        raise MoveRefused(f"{target} was moved itself, to {theirs.other}: name a store that is empty")
    if its is None:
        if theirs is not None and theirs.other != source:
            raise MoveRefused(f"{target} is being filled from {theirs.other}: finish that move first")
        return Step.BEGIN
    moved = its.progress is Progress.MOVED
    if theirs is not None and theirs.move == its.move:
        return Step.FINISH if moved else Step.CARRY
    if moved and its.other == target and theirs is None:
        return Step.NOTHING
    if moved:
        raise MoveRefused(
            f"{source} was moved to {its.other} already: move that one, or take this one back into use with headrace "
            "move --undo"
        )
    raise MoveRefused(
        f"{source} is being moved to {its.other}, of which {target} knows nothing: go on with that one, or give the "
        "move up with headrace move --undo"
    )
