"""How many jobs of queues with a ceiling this worker may ask for, so that all workers get their share."""

from collections.abc import Callable, Mapping

import msgspec

from headrace.model.presence import Presence
from headrace.model.record import QUEUE, WORKER, QueueControl
from headrace.model.share import share_out
from headrace.storage.contract import Listener, Storage

_LOOK = 3.0
"""Seconds: the longest that a worker which vanished, or a notice that got lost, leaves shares as they were."""
_TURN = 10.0
"""Seconds after which the rest of a division, and what nobody gets, goes to the next."""

_control = msgspec.json.Decoder(QueueControl).decode
_presence = msgspec.json.Decoder(Presence).decode


class Sharer:
    """One for a worker. A share is a courtesy: the ceiling itself is kept by every claim."""

    def __init__(self, worker_id: str, storage: Storage, slots: Mapping[str, int], changed: Callable[[], None]) -> None:
        self._worker_id, self._storage, self._queues, self._changed = worker_id, storage, tuple(slots), changed
        self._listener: Listener | None = None
        self._stopped = False
        self.shares: Mapping[str, int] = {}
        """By queue. None of queues without a ceiling, nor where this worker is not known to the others yet."""

    def stop(self) -> None:
        """Look no more."""
        self._stopped = True
        if self._listener is not None:
            self._listener.close()

    async def step(self) -> float:
        """One look at ceilings and workers, then a wait for news of them."""
        if self._listener is None:
            self._listener = self._storage.listen([f"record:{QUEUE}", f"record:{WORKER}"])
        before = self.shares
        wait = await self.look()
        if self.shares != before:
            self._changed()
        if not self._stopped:
            await self._listener.wait(wait)
        return 0.0

    async def look(self) -> float:
        """Share out, as things stand. Seconds until that may be otherwise without any news."""
        self.shares, wait = await self._share()
        return wait

    async def _share(self) -> tuple[Mapping[str, int], float]:
        controls = await self._storage.records(QUEUE, names=self._queues) if self._queues else ()
        ceilings = {record.name: _control(record.value).concurrency for record in controls}
        limited = {queue: ceiling for queue, ceiling in ceilings.items() if ceiling is not None}
        if not limited:
            return {}, _LOOK
        told = await self._storage.records(WORKER)
        leases = await self._storage.leases()  # second: a worker has its lease before it tells of itself
        workers = {record.name: _presence(record.value).queues for record in told if leases.get(record.name, 0.0) > 0}
        turn, passed = divmod(await self._storage.now() / 1000, _TURN)
        shares: dict[str, int] = {}
        for queue, ceiling in limited.items():
            slots = {worker: queues[queue] for worker, queues in workers.items() if queue in queues}
            if self._worker_id in slots:
                shares[queue] = share_out(ceiling, slots, int(turn))[self._worker_id]
        return shares, min(_LOOK, _TURN - passed)
