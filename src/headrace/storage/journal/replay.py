"""A store in memory, made again from its journal."""

from collections.abc import AsyncIterator
from typing import Any

from headrace.model.errors import CorruptStore
from headrace.model.record import LEASE
from headrace.storage.journal.changes import Changes, Noted, unpack
from headrace.storage.journal.ledger import Ledger
from headrace.storage.journal.shelf import Shelf
from headrace.storage.memory.notices import Notices
from headrace.storage.memory.store import Store
from headrace.system.clock import Clock


class Image:
    """What stood in a journal at a moment, at work."""

    def __init__(self, clock: Clock, notices: Notices, latest: int) -> None:
        self.noted = Noted()
        self.store = Store(clock, self.noted.tables, latest=latest)
        self.store.notices = notices
        self.ledger = Ledger()

    async def read(self, shelf: Shelf) -> None:
        """All entries."""
        self._fill(await _last_words(shelf.read(), self.ledger, shelf.where))
        self.noted.take()

    def forget_owners(self) -> None:
        """Whoever wrote before is gone: its workers hold nothing, and lead nothing."""
        tables = self.noted.tables
        for worker in list(tables.leases):
            del tables.leases[worker]
        self.store.records.settle({name: None for name in list(tables.records) if name[0] == LEASE})

    def _fill(self, last: tuple[dict[Any, Any], ...]) -> None:
        jobs, holds, leases, records, entries = last
        store, tables = self.store, self.noted.tables
        for job in jobs.values():
            store.rows.add(job)
        for name, hold in holds.items():
            tables.holds[name] = hold
        for worker, end in leases.items():
            tables.leases[worker] = end
        store.records.settle(records)
        store.timeline.record(entries.values())


async def _last_words(
    entries: AsyncIterator[tuple[int, bytes]], ledger: Ledger, where: str
) -> tuple[dict[Any, Any], ...]:
    """Of each row, by table."""
    last: tuple[dict[Any, Any], ...] = tuple({} for _ in Changes().tables())
    async for number, data in entries:
        try:
            changes = unpack(data)
        except ValueError as error:
            raise CorruptStore(where, f"entry {number} of its journal is not what was written: {error}") from None
        ledger.add(number, changes)
        for rows, table in zip(last, changes.tables(), strict=True):
            for key, value in table.items():
                if value is None:
                    rows.pop(key, None)
                else:
                    rows[key] = value
    return last
