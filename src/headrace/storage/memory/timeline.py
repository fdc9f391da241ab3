"""Entries of the timeline, in the order in which they are read."""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from headrace.model.timeline import Entry
from headrace.storage.contract import Entries, Span
from headrace.storage.cursor import cursor_of, place_behind

_Place = tuple[int, str]
"""An entry's instant and id."""


class Timeline:
    """Kept by id; by kind in order."""

    def __init__(self, entries: dict[str, Entry]) -> None:
        self._entries = entries
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
        start = (where.since or 0, "")
        if after is not None:
            start = max(start, place_behind(after))
        found: list[Entry] = []
        for place in range(bisect_left(order, start), len(order)):
            at, entry_id = order[place]
            if (where.until is not None and at >= where.until) or len(found) > limit:
                break
            entry = self._entries[entry_id]
            if where.queue is None or entry.queue == where.queue:
                found.append(entry)
        last = found[limit - 1] if len(found) > limit else None
        return Entries(found[:limit], None if last is None else cursor_of(last))

    def following(self, kind: str, at: int, entry_id: str) -> Iterator[Entry]:
        """Entries above that place by kind, instant and id."""
        for other in sorted(one for one in self._order if one >= kind):
            order = self._order[other]
            for place in range(bisect_right(order, (at, entry_id)) if other == kind else 0, len(order)):
                yield self._entries[order[place][1]]

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
