"""Who does what needs doing once: one worker of all on a store, until its lease runs out."""

import math
from collections.abc import Callable, Mapping

import msgspec

from headrace.model.record import LEASE, Expect, Put, Record
from headrace.runtime.loop import jittered
from headrace.storage.contract import Storage
from headrace.system.clock import Clock
from headrace.system.ids import Entropy

_NAME = "leader"
EARLY = 0.1
"""The share of its lease by which a leader stops before others may take over."""


class Leadership(msgspec.Struct, frozen=True):
    """The value of the one record of kind ``lease``."""

    worker: str
    epoch: int
    """Rises with every new leader."""


class Leader:
    """Leading saves work and is no promise: whatever a leader does must be safe when two do it.

    The record has no time of its own: it holds as long as the worker's lease does.
    """

    def __init__(
        self,
        worker_id: str,
        storage: Storage,
        clock: Clock,
        entropy: Entropy,
        pause: float,
        alive_until: Callable[[], float],
    ) -> None:
        self._worker_id, self._storage, self._clock = worker_id, storage, clock
        self._entropy, self._pause, self._alive_until = entropy, pause, alive_until
        self._record: Record | None = None
        self._until = -math.inf
        self.epoch = 0
        """That of the leadership last seen."""

    @property
    def leads(self) -> bool:
        """Whether this worker leads for certain: by the lease that it had when it last looked. One that lost its lease
        meanwhile, and beats again, has to look first whether somebody took over."""
        return self._record is not None and self._clock.monotonic() < self._until

    async def step(self) -> float:
        """Look who leads; take over from one whose lease has run out. Seconds until the next look."""
        until = self._alive_until()  # before the look: a later beat may revive what somebody has taken over by then
        found = await self._storage.records(LEASE, names=[_NAME])
        leadership = msgspec.json.decode(found[0].value, type=Leadership) if found else None
        if leadership is not None:
            self.epoch = leadership.epoch
        if leadership is not None and leadership.worker == self._worker_id:
            self._record = found[0]
        else:
            self._record = None
            is_alive = self._clock.monotonic() < until  # else the next one would take over from us
            if is_alive and (leadership is None or _has_ended(leadership.worker, await self._storage.leases())):
                await self._take_over(found[0].version if found else Expect.ABSENT)
        self._until = until
        return jittered(self._pause, self._entropy)

    async def _take_over(self, expect: int | Expect) -> None:
        value = msgspec.json.encode(Leadership(self._worker_id, self.epoch + 1)).decode()
        if (await self._storage.put([Put(LEASE, _NAME, value, expect)]))[0]:
            self.epoch += 1
            self._record = Record(LEASE, _NAME, value, 1 if expect is Expect.ABSENT else int(expect) + 1)

    async def resign(self) -> None:
        """Let another lead at once. The record stays, so that the epoch goes on rising."""
        if self._record is not None:
            version, self._record = self._record.version, None
            nobody = msgspec.json.encode(Leadership("", self.epoch)).decode()
            await self._storage.put([Put(LEASE, _NAME, nobody, version)])


def _has_ended(worker_id: str, leases: Mapping[str, float]) -> bool:
    return leases.get(worker_id, 0.0) <= 0
