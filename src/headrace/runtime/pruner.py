"""Sweeps final jobs that are kept long enough. One leader at a time, in bounded batches."""

from collections.abc import Mapping

import msgspec

from headrace.model.record import LEASE, Expect, Put
from headrace.model.state import State
from headrace.storage.contract import Keep, Storage

_BATCH = 1_000
_NAME = "pruner"


class Pruner:
    """``prune_once`` sweeps one batch if this process leads, and tells whether there may be more."""

    def __init__(self, worker_id: str, storage: Storage, keep: Mapping[State, Keep], lease: float) -> None:
        self._worker_id, self._storage, self._keep, self._lease = worker_id, storage, keep, lease

    async def prune_once(self) -> bool:
        """One batch. True: sweep on. The lease saves work only: sweeping twice would do no harm."""
        if not await self._lead():
            return False
        return await self._storage.prune(self._keep, _BATCH) == _BATCH

    async def _lead(self) -> bool:
        leases = [record for record in await self._storage.records(LEASE) if record.name == _NAME]
        mine = msgspec.json.encode(self._worker_id).decode()
        if leases and leases[0].value != mine:
            return False
        expect = leases[0].version if leases else Expect.ABSENT
        return (await self._storage.put([Put(LEASE, _NAME, mine, expect, self._lease)]))[0]
