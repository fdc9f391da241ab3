"""Workers tell of themselves as long as they are there, so that people and other workers know them."""

from collections.abc import Mapping

import msgspec

from headrace.model.presence import Presence, at_work
from headrace.model.record import WORKER, Put
from headrace.runtime.registry import Registry
from headrace.storage.contract import Storage

_PAGE = 1_000


class Attendance:
    """Of one worker. Whether it is alive its lease tells, not this."""

    def __init__(
        self, worker_id: str, storage: Storage, introduced: Presence, slots: Mapping[str, int], registry: Registry
    ) -> None:
        """``introduced``: what is known of its process, and how long its lease lasts."""
        self._worker_id, self._storage = worker_id, storage
        self._introduced, self._slots, self._registry = introduced, slots, registry
        self._started_at: int | None = None

    async def appear(self) -> None:
        """Tell of this worker; nothing where it is told already. Again now and then: where it slept for longer than
        its lease, its record was taken for that of a vanished one."""
        if self._started_at is None:
            self._started_at = await self._storage.now()
        tasks = [handler.name for handler in self._registry.all()]
        value = msgspec.json.encode(at_work(self._introduced, self._slots, tasks, self._started_at)).decode()
        found = await self._storage.records(WORKER, names=[self._worker_id])
        if not found or found[0].value != value:
            await self._storage.put([Put(WORKER, self._worker_id, value)])

    async def leave(self) -> None:
        """It is there no more."""
        await self._storage.put([Put(WORKER, self._worker_id, None)])


async def sweep_vanished(storage: Storage) -> int:
    """Removes what vanished workers told of themselves, once they hold nothing and are forgotten: how many those were.

    Records first, leases second: a worker has its lease before its record.
    """
    removed, after = 0, None
    while True:
        page = await storage.records(WORKER, after=after, limit=_PAGE)
        leases = await storage.leases() if page else {}
        gone = [Put(WORKER, record.name, None, record.version) for record in page if record.name not in leases]
        removed += sum(await storage.put(gone)) if gone else 0
        if len(page) < _PAGE:
            return removed
        after = page[-1].name
