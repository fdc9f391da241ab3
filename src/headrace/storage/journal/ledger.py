"""Which entry of the journal holds the last word on each row.

The journal grows at one end. What it says of a row counts no more once a later entry says something else; an entry of
which nothing counts any more can go. Entries go from the old end only, so that what an entry says of a row that is gone
is needed for as long as the entry is there, and no longer. What still counts in the oldest ones is written once more at
the new end.
"""

from collections import deque
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, NamedTuple

from headrace.storage.journal.changes import Changes, Noted

SLACK = 10_000
"""Rows that may count no more, besides as many as do: the journal is at most twice as long as it must be, and this."""

_FEW = 1000


class _Entry(NamedTuple):
    number: int
    keys: list[list[Any]]
    """By table."""
    rows: int


class Ledger:
    """Of one journal."""

    def __init__(self, slack: int = SLACK) -> None:
        self._where: list[dict[Any, int]] = [{} for _ in Changes().tables()]
        """The entry of each row that is there, by table."""
        self._entries: deque[_Entry] = deque()
        self._rows = 0
        self._slack = slack

    @property
    def first(self) -> int | None:
        """The oldest entry's number."""
        return self._entries[0].number if self._entries else None

    def add(self, number: int, changes: Changes) -> None:
        """This entry was written."""
        for where, table in zip(self._where, changes.tables(), strict=True):
            where.update(dict.fromkeys(table, number))
            for key in [key for key, value in table.items() if value is None]:
                del where[key]
        self._entries.append(_Entry(number, [list(table) for table in changes.tables()], len(changes)))
        self._rows += len(changes)

    def drop(self, upto: int) -> None:
        """Entries below this number are gone."""
        while self._entries and self._entries[0].number < upto:
            self._rows -= self._entries.popleft().rows

    def spare(self, changes: Changes) -> None:
        """Takes out of what shall be written that rows are gone which the journal never had."""
        for where, table in zip(self._where, changes.tables(), strict=True):
            for key in [key for key, value in table.items() if value is None and key not in where]:
                del table[key]

    def carry(self, noted: Noted, lock: AbstractContextManager[object]) -> int | None:
        """Notes what still counts in the oldest entries as changed, where the journal has become too long: with what is
        taken next they are needed no more. The number of the first entry that is; None where none can go.

        Takes the lock for a few rows at a time, so that nobody waits for long.
        """
        coming = sum(len(table.changed) for table in noted.all)
        excess = self._rows + coming - 2 * sum(map(len, self._where)) - self._slack
        most = 2 * coming + self._slack
        upto: int | None = None
        for entry in self._entries:
            if excess <= 0 or most <= 0:
                break
            for keys, where, table in zip(entry.keys, self._where, noted.all, strict=True):
                counting = (key for key in keys if where.get(key) == entry.number)
                while few := list(islice(counting, _FEW)):
                    with lock:
                        for key in few:
                            if key in table:
                                table.changed.setdefault(key, table[key])
            excess -= entry.rows
            most -= entry.rows
            upto = entry.number + 1
        return upto
