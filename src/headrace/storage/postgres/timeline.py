"""Entries of the timeline."""

from collections.abc import Mapping, Sequence

from headrace.model.timeline import Entry
from headrace.storage.contract import Entries, Span
from headrace.storage.cursor import cursor_of, place_behind
from headrace.storage.postgres.queries import load_queries
from headrace.storage.postgres.statement import Statement, Steps

_TIMELINE = load_queries("timeline")
_LAST = 2**62


def record(entries: Sequence[Entry]) -> Steps[None]:
    """One whose id is there replaces that."""
    latest = {entry.id: entry for entry in entries}.values()
    if latest:
        rows = [(entry.id, entry.kind, entry.queue, entry.at, entry.value) for entry in latest]
        yield Statement(_TIMELINE["record"], tuple(map(list, zip(*rows, strict=True))))


def history(where: Span, limit: int, after: str | None) -> Steps[Entries]:
    """One more than asked for tells whether there is a next page."""
    start = (where.since or 0, "")
    if after is not None:
        at, least = place_behind(after)
        # The least id that follows ends in a character that the server can't hold: there, the next one is the least.
        start = max(start, (at, least.replace("\0", "\1")))
    until = _LAST if where.until is None else where.until
    rows = yield Statement(_TIMELINE["history"], (where.kind, *start, until, limit + 1, where.queue))
    found = [Entry(*row) for row in rows]
    return Entries(found[:limit], cursor_of(found[limit - 1]) if len(found) > limit else None)


def prune_timeline(now: int, ages: Mapping[str, float], limit: int) -> Steps[int]:
    """Removes at most so many of each kind that are older, and how many."""
    removed = 0
    for kind, age in ages.items():
        removed += len((yield Statement(_TIMELINE["prune"], (kind, now - round(age * 1000), limit))))
    return removed
