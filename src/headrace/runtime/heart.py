"""Keeps a worker's lease alive from a thread and a storage handle of its own, whatever its handlers do to the loop."""

import asyncio
import math
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Sequence

from headrace.model.job import Job
from headrace.runtime.attempt import Attempt, Stop
from headrace.runtime.attempts import Attempts
from headrace.runtime.loop import Report
from headrace.runtime.settings import Settings
from headrace.storage.contract import Filter, Holding, Listener, Storage
from headrace.system.clock import Clock

_BLOCKED = 1.0
"""Seconds without a turn after which the loop counts as blocked."""
_RETRY = 0.5
"""Seconds to the next try after a beat that failed."""
_LATE = 1.5
"""Beats from one that came to the next, beyond which the worker counts as cut off meanwhile."""
_NEVER_LATE = 1.0
"""Seconds; however often it beats."""
_SETTLING = 3.0
"""Seconds, or a beat where that is longer, in which all others that were cut off are heard of again."""


class LoopBlocked(RuntimeError):
    """A handler keeps the event loop from turning."""

    def __init__(self, seconds: float, stack: str) -> None:
        super().__init__(
            f"the event loop has not turned for {seconds:.1f} s: an async handler does blocking work "
            f'(make it a plain def, or executor="process"); it is at:\n{stack}'
        )


class HandlerStuck(RuntimeError):
    """A handler was told to stop and goes on."""

    def __init__(self, attempt: Attempt, seconds: float) -> None:
        super().__init__(
            f"task {attempt.job.task!r} was told to stop ({attempt.stop}) {seconds:.1f} s ago and goes on "
            f"(job {attempt.job.id}): its slot is taken until it returns"
        )


class ClaimingStopped(RuntimeError):
    """A timed-out handler blocks the loop of a worker that may not end its process."""

    def __init__(self, job: Job) -> None:
        super().__init__(
            f"task {job.task!r} ran out of time and still blocks the event loop (job {job.id}): "
            "this worker claims no more; restart the program"
        )


class Heart:
    """Runs ``main`` on its own loop; tells the worker's loop what it learns."""

    def __init__(
        self,
        worker_id: str,
        storage: Storage,
        attempts: Attempts,
        settings: Settings,
        clock: Clock,
        report: Report,
        overrun: Callable[[Storage, Attempt], Awaitable[None]],
    ) -> None:
        self._worker_id, self._storage, self._attempts = worker_id, storage, attempts
        self._settings, self._clock, self._report = settings, clock, report
        self._overrun = overrun
        self._worker_loop = asyncio.get_running_loop()
        self._worker_thread = threading.get_ident()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener: Listener | None = None
        self._stopping = False
        self._asked_at, self._turned = clock.monotonic(), True
        """When the worker's loop was last asked to turn, and whether it has."""
        self._reported = False
        self._stopping_since: dict[Attempt, float] = {}
        """Attempts that were told to stop; infinity once that was reported."""
        self._beat_at = clock.monotonic() + settings.beat
        self.beaten_at = clock.monotonic()
        """When the last beat that succeeded was sent; the worker's start sent one. Read by any thread."""
        self._late = max(_LATE * settings.beat, _NEVER_LATE)
        self._settled_at = -math.inf

    def stop(self) -> None:
        """End the lease and then ``main``."""
        self._stopping = True
        if self._loop is not None and self._listener is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._listener.close)

    @property
    def is_settled(self) -> bool:
        """Whether this worker's beats came as they should, and did so for a while. If not, the store was away, and
        others whose leases ran out are as alive as this one: who takes their jobs over now takes an outage for a crash.
        Read by any thread."""
        now = self._clock.monotonic()
        return now - self.beaten_at <= self._late and now >= self._settled_at

    async def main(self) -> None:
        """Until ``stop``, or until the worker's loop is closed; the last beat ends the lease."""
        self._loop = asyncio.get_running_loop()
        try:
            while not await self._open() and self._is_wanted():
                await self._clock.sleep(_RETRY)
            while self._is_wanted():
                await self._live()
                await self._rest()
            await self._storage.beat(self._worker_id, (), 0)
        except Exception as error:
            self._report("heart", error)
        finally:
            if self._listener is not None:
                self._listener.close()
            await self._storage.close()

    def _is_wanted(self) -> bool:
        return not self._stopping and not self._worker_loop.is_closed()

    async def _open(self) -> bool:
        try:
            await self._storage.open()
            self._listener = self._storage.listen([f"worker:{self._worker_id}"])
        except Exception as error:
            self._report("heart", error)
            return False
        return True

    async def _rest(self) -> None:
        pause = min(self._settings.poll, max(0.0, self._beat_at - self._clock.monotonic()))
        if self._listener is not None and not self._stopping:
            await self._listener.wait(pause)

    async def _live(self) -> None:
        """A heart that ended for an error would cost every job of its worker: whatever fails is tried again. Handlers
        and the loop are watched also while the storage fails."""
        failed = await self._tried(self._ask_storage())
        self._watch_handlers()
        if await self._tried(self._watch_loop()) or failed:
            await self._clock.sleep(min(_RETRY, self._settings.beat / 2))

    async def _tried(self, part: Awaitable[None]) -> bool:
        """Whether it failed; that is reported."""
        try:
            await part
        except Exception as error:
            self._report("heart", error)
            return True
        return False

    async def _ask_storage(self) -> None:
        if self._clock.monotonic() >= self._beat_at:
            await self._beat()
        if not self._attempts.idle:
            await self._look_for_cancels()

    async def _beat(self) -> None:
        held = {attempt.job.id: attempt for attempt in self._attempts.held()}
        holding = [Holding(job_id, attempt.job.generation) for job_id, attempt in held.items()]
        sent_at = self._clock.monotonic()
        beat = await self._storage.beat(self._worker_id, holding, self._settings.lease)
        if sent_at - self.beaten_at > self._late:
            self._settled_at = self._clock.monotonic() + max(self._settings.beat, _SETTLING)
        self.beaten_at = sent_at
        self._beat_at = self._clock.monotonic() + self._settings.beat
        for job_id in beat.lost:  # by attempt: the same job may have been claimed anew meanwhile, and be ours
            self._worker_loop.call_soon_threadsafe(held[job_id].stop_for, Stop.LOST)
        self._tell_cancelled(beat.cancel_requested)

    async def _look_for_cancels(self) -> None:
        where = Filter(worker=self._worker_id, cancel_requested=True)
        page = await self._storage.find(where, limit=1000)
        self._tell_cancelled([job.id for job in page.jobs])

    def _tell_cancelled(self, job_ids: Sequence[str]) -> None:
        if job_ids:
            self._worker_loop.call_soon_threadsafe(self._attempts.cancel, job_ids)

    def _watch_handlers(self) -> None:
        now = self._clock.monotonic()
        stopping = [attempt for attempt in self._attempts.held() if attempt.stop is not None and not attempt.ended]
        self._stopping_since = {attempt: self._stopping_since.get(attempt, now) for attempt in stopping}
        for attempt, since in self._stopping_since.items():
            if now - since > self._settings.kill_after:
                self._stopping_since[attempt] = math.inf
                self._report("heart", HandlerStuck(attempt, now - since))

    async def _watch_loop(self) -> None:
        now = self._clock.monotonic()
        if (
            self._turned
        ):  # when it was last asked to; of the time since, which the storage may have taken, nothing is known
            self._asked_at, self._turned = now, False
            self._worker_loop.call_soon_threadsafe(self._turn)
        blocked = now - self._asked_at
        if blocked < _BLOCKED:
            self._reported = False
            return
        if not self._reported:
            self._reported = True
            self._report("heart", LoopBlocked(blocked, self._stack()))
        attempt = self._attempt_on_loop()
        if attempt is not None and self._is_overrun(attempt, now, blocked):
            await self._overrun(self._storage, attempt)

    def _turn(self) -> None:
        self._turned = True

    def _attempt_on_loop(self) -> Attempt | None:
        task = asyncio.current_task(self._worker_loop)
        return next((held for held in self._attempts.held() if task is not None and held.task is task), None)

    def _is_overrun(self, attempt: Attempt, now: float, blocked: float) -> bool:
        grace = self._settings.kill_after
        return bool(attempt.timeout) and blocked >= grace and now - attempt.started >= attempt.timeout + grace

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._worker_thread)  # noqa: SLF001 - the documented way to another stack
        return "".join(traceback.format_stack(frame)) if frame is not None else "unknown"
