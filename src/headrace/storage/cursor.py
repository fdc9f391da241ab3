"""Cursors of the timeline: where a page of it ended, the same for every backend."""

from headrace.model.errors import InvalidOption
from headrace.model.timeline import Entry

_DIGITS = 18
"""More don't fit an integer of a storage."""


def cursor_of(last: Entry) -> str:
    """To be passed as ``after`` for what follows this entry."""
    return f"{last.at}:{last.id}"


def place_behind(cursor: str) -> tuple[int, str]:
    """The least instant and id that follow; or InvalidOption."""
    at, _, entry_id = cursor.partition(":")
    if not (at.isascii() and at.isdigit() and len(at) <= _DIGITS and entry_id):
        raise InvalidOption("after", cursor, "it must be the next of the page before")
    return int(at), entry_id + "\0"
