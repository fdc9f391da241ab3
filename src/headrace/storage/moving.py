"""Rows on their way from one store to another, their order, and the cursors in it: the same for every backend."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

import msgspec

from headrace.model.errors import InvalidOption
from headrace.model.job import Job
from headrace.model.record import LEASE, MARK, WORKER, Record
from headrace.model.timeline import Entry

LEFT_BEHIND = (LEASE, MARK, WORKER)
"""Kinds of records that mean something in their own store only."""
MOST_BYTES = 4 * 1024 * 1024
"""Where a page ends, however many rows were asked for: payloads may have a mebibyte each."""


class Hold(msgspec.Struct, frozen=True, gc=False):
    """A dedup key, and which job has it."""

    queue: str
    key: str
    job_id: str
    ends_at: int | None
    """When the window ends, of a key that is held for a time of its own."""


class Kept(msgspec.Struct, frozen=True, gc=False):
    """A record, and for how long."""

    record: Record
    lapses_in: float | None
    """Seconds; None: it stays."""


Row = Job | Hold | Kept | Entry


class Rows(msgspec.Struct, frozen=True):
    """Rows in their order, and the cursor to pass as ``after`` for the next ones; None at the end."""

    rows: Sequence[Row]
    next: str | None


JOBS, HOLDS, RECORDS, ENTRIES = range(4)

Key = tuple[str | int, ...]


class Place(NamedTuple):
    """Where a row stands: in which part, and by what in it."""

    part: int
    key: Key


_BEGINNINGS = (("",), ("", ""), ("", ""), ("", -(2**62), ""))
"""Below the first row of each part."""
_PARTS = range(len(_BEGINNINGS))
_END = Place(len(_BEGINNINGS), ())
_json = msgspec.json.Encoder()
_places = msgspec.json.Decoder(tuple[int, Key])

END = _json.encode(_END).decode()
"""The cursor behind the last row."""


def place_of(row: Row) -> Place:
    """By what the row is found again."""
    match row:
        case Job():
            return Place(JOBS, (row.id,))
        case Hold():
            return Place(HOLDS, (row.queue, row.key))
        case Kept():
            return Place(RECORDS, (row.record.kind, row.record.name))
        case Entry():
            return Place(ENTRIES, (row.kind, row.at, row.id))


def cursor_behind(row: Row) -> str:
    """To be passed as ``after`` for what follows this row."""
    return _json.encode(place_of(row)).decode()


def starts(after: str | None) -> Iterator[Place]:
    """For each part that is left, behind what its rows come; InvalidOption where that is no cursor."""
    first = Place(0, _BEGINNINGS[0]) if after is None else _read(after)
    for part in range(first.part, _END.part):
        yield first if part == first.part else Place(part, _BEGINNINGS[part])


def _read(after: str) -> Place:
    try:
        place = Place(*_places.decode(after))
    except (msgspec.DecodeError, TypeError):
        place = Place(-1, ())
    if place == _END or (
        place.part in _PARTS
        and [type(field) for field in place.key] == [type(least) for least in _BEGINNINGS[place.part]]
    ):
        return place
    raise InvalidOption("after", after, "it must be the next of the rows before")


def weight(row: Row) -> int:
    """About as many bytes as it takes."""
    return len(_json.encode(row))


def gather(read: Callable[[Place], Generator[Row, None, None]], limit: int, after: str | None) -> Rows:
    """One page. ``read`` gives the rows of a part that follow a place, in order, and is asked for no more than it
    takes to fill the page and to know whether there is another."""
    rows: list[Row] = []
    size = 0
    for start in starts(after):
        with closing(read(start)) as found:
            for row in found:
                if len(rows) >= limit or size >= MOST_BYTES:
                    return Rows(rows, cursor_behind(rows[-1]) if rows else after)
                rows.append(row)
                size += weight(row)
    return Rows(rows, None)
