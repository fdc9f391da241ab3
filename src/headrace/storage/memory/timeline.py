"""Entries of the timeline, in the order in which they are read."""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping

from headrace.model.timeline import Entry
from headrace.storage.contract import Entries, Span

_Place = tuple[int, str]
"""An entry's instant and id."""


class Timeline:
    """Kept by id; by kind in order."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._order: defaultdict[str, list[_Place]] = defaultdict(list)

    def record(self, entries: Iterable[Entry]) -> None:
        """One whose id is there replaces that."""
        for entry in entries:
            self._forget(entry.id)
            self._entries[entry.id] = entry
            insort(self._order[entry.kind], (entry.at, entry.id))

    def read(self, where: Span, limit: int, after: str | None) -> Entries:
        """One more than asked for tells whether there is a next page."""
        order = self._order.get(where.kind, [])
        start = bisect_left(order, (where.since or 0, ""))
        if after is not None:
            start = max(start, bisect_right(order, _place_of(after)))
        found: list[Entry] = []
        for at, entry_id in order[start:]:
            if (where.until is not None and at >= where.until) or len(found) > limit:
                break
            entry = self._entries[entry_id]
            if where.queue is None or entry.queue == where.queue:
                found.append(entry)
        return Entries(found[:limit], cursor_of(found[limit - 1]) if len(found) > limit else None)

    def prune(self, ages: Mapping[str, float], now: int, limit: int) -> int:
        """Removes at most so many of each kind that are older, and how many."""
        removed = 0
        for kind, age in ages.items():
            order = self._order.get(kind, [])
            old = order[: min(limit, bisect_left(order, (now - round(age * 1000) + 1, "")))]
            for _, entry_id in old:
                del self._entries[entry_id]
            del order[: len(old)]
            removed += len(old)
        return removed

    def _forget(self, entry_id: str) -> None:
        entry = self._entries.pop(entry_id, None)
        if entry is not None:
            order = self._order[entry.kind]
            del order[bisect_left(order, (entry.at, entry.id))]


def cursor_of(entry: Entry) -> str:
    """Where a page ended."""
    return f"{entry.at}:{entry.id}"


def _place_of(cursor: str) -> _Place:
    at, _, entry_id = cursor.partition(":")
    return int(at), entry_id
