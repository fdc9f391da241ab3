"""The mark of a store that is being moved, or was: what others may not write to, and why."""

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """Which end of a move a store is."""

    SOURCE = "source"
    TARGET = "target"


class Progress(StrEnum):
    """How far the move is."""

    MOVING = "moving"
    MOVED = "moved"


class Mark(msgspec.Struct, frozen=True):
    """Stands in a store from the first moment of a move; in its source for good."""

    role: Role
    other: str
    """The store at the other end, as a URL without its password."""
    move: str
    """The id of the move, the same in both stores."""
    progress: Progress = Progress.MOVING
    cursor: str | None = None
    """In a target: where the dump of its source goes on."""

    def encode(self) -> str:
        """As it is stored."""
        return msgspec.json.encode(self).decode()


def decode_mark(text: str) -> Mark:
    """What ``encode`` made."""
    return msgspec.json.decode(text, type=Mark)


PREFIX = "headrace: this store "
"""What the word of a marked store begins with, where a database says it."""


def refusal(mark: Mark) -> str:
    """What others are told of the store, and what they can do."""
    if mark.progress is Progress.MOVED:
        return (
            f"was moved to {mark.other}, and takes nothing any more: use that one, or take this one back into use "
            "with headrace move --undo"
        )
    if mark.role is Role.TARGET:
        return f"is being filled from {mark.other}, and takes nothing else until headrace move is done: run it again"
    return (
        f"is being moved to {mark.other}, and takes nothing any more: run headrace move again to finish that, or take "
        "this one back into use with headrace move --undo"
    )
