"""Entries of the timeline."""

from collections.abc import Mapping, Sequence

import msgspec

from headrace.model.timeline import Entry
from headrace.storage.contract import Entries, Span
from headrace.storage.cursor import cursor_of, place_behind
from headrace.storage.sqlite.queries import load_queries
from headrace.storage.sqlite.transaction import Parameters, Transaction, json_text

_TIMELINE = load_queries("timeline")
_entries = msgspec.json.Decoder(list[Entry])
_LAST = 2**62


def record(transaction: Transaction, entries: Sequence[Entry]) -> None:
    """One whose id is there replaces that."""
    if entries:
        rows = [(entry.id, entry.kind, entry.queue, entry.at, entry.value) for entry in entries]
        transaction.run(_TIMELINE["record"], (json_text(rows),))


def history(transaction: Transaction, where: Span, limit: int, after: str | None) -> Entries:
    """One more than asked for tells whether there is a next page."""
    start = (where.since or 0, "")
    if after is not None:
        start = max(start, place_behind(after))
    until = _LAST if where.until is None else where.until
    parameters: Parameters = (where.kind, *start, until, limit + 1)
    if where.queue is None:
        found = _entries.decode(transaction.text(_TIMELINE["history"], parameters))
    else:
        found = _entries.decode(transaction.text(_TIMELINE["history_of_queue"], (*parameters, where.queue)))
    last = found[limit - 1] if len(found) > limit else None
    return Entries(found[:limit], None if last is None else cursor_of(last))


def prune_timeline(transaction: Transaction, ages: Mapping[str, float], limit: int) -> int:
    """Removes at most so many of each kind that are older, and how many."""
    return sum(
        transaction.run(_TIMELINE["prune"], (kind, transaction.now - round(age * 1000), limit))
        for kind, age in ages.items()
    )
