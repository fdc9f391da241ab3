"""When a scheduler steps: at the next tick, when somebody changed a schedule, and now and then."""

from collections.abc import Callable

from headrace.model.schedule_record import CHANGED
from headrace.runtime.scheduler import Scheduler
from headrace.storage.contract import Listener, Storage
from headrace.system.clock import Clock

_LOOK = 1.0
"""Seconds between looks whether this worker leads by now."""
_READ_AGAIN = 15.0
"""Seconds after which all schedules are read, though no notice came: notices may get lost."""
_SHARE = 0.01
"""Of its time, at most, it spends on that: with a hundred thousand of them the pauses grow."""


class Timekeeper:
    """Steps while this worker leads, which saves the work of others; correct whoever else does."""

    def __init__(self, scheduler: Scheduler, storage: Storage, clock: Clock, leads: Callable[[], bool]) -> None:
        self._scheduler, self._storage, self._clock, self._leads = scheduler, storage, clock, leads
        self._listener: Listener | None = None
        self._again_at: float | None = None
        """When to read all schedules; None: at once, nothing is known."""
        self._changes = 0
        """The version of CHANGED when they were read last."""
        self._stopped = False

    def stop(self) -> None:
        """Step no more; a wait under way ends."""
        self._stopped = True
        if self._listener is not None:
            self._listener.close()

    async def step(self) -> float:
        """Fire what is due and wait for more; or, where this worker doesn't lead, look again later."""
        if self._stopped or not self._leads():
            self._again_at = None
            self._scheduler.forget()
            return _LOOK
        if self._listener is None:
            self._listener = self._storage.listen([f"record:{CHANGED.kind}"])
        again_at, self._again_at = self._again_at, None  # until this step ends well
        if again_at is None or self._clock.monotonic() >= again_at:
            again_at = await self._read()
        _, pause = await self._scheduler.fire()
        self._again_at = again_at
        left = again_at - self._clock.monotonic()
        if pause is None or pause > 0:
            await self._wait(self._listener, left if pause is None else min(left, pause))
        return 0.0

    async def _read(self) -> float:
        """Learn all schedules, and when to do so again."""
        began = self._clock.monotonic()
        self._changes = await self._version()
        await self._scheduler.read()
        ended = self._clock.monotonic()
        return ended + max(_READ_AGAIN, (ended - began) / _SHARE)

    async def _wait(self, listener: Listener, seconds: float) -> None:
        # a notice may come for nothing: reading ten thousand schedules for it would not be nothing
        if await listener.wait(max(0.0, seconds)) and await self._version() != self._changes:
            self._again_at = None

    async def _version(self) -> int:
        found = await self._storage.records(CHANGED.kind, names=[CHANGED.name])
        return found[0].version if found else 0
