"""All attempts of one worker: which slots are free, and which jobs it holds."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from headrace.runtime.attempt import Attempt, Stop


class Attempts:
    """A job is held from its claim until its settlement is recorded; its slot is free once its handler has ended."""

    def __init__(self, slots: Mapping[str, int], unstarted: Callable[[str], None]) -> None:
        self.queues = tuple(slots)
        self._slots = dict(slots)
        self._taken = dict.fromkeys(slots, 0)
        self._unstarted = unstarted
        self.freed = asyncio.Event()
        """Set whenever there may be room for a claim; cleared by who claims."""
        self._held: dict[str, Attempt] = {}
        self.running = 0
        """Handlers that have not ended."""

    def free(self, queue: str) -> int:
        """Slots of this queue that nothing runs in."""
        return self._slots[queue] - self._taken[queue]

    def taken(self, queue: str) -> int:
        """Slots of this queue that something runs in."""
        return self._taken[queue]

    def start(self, attempt: Attempt) -> None:
        """It takes a slot and is held."""
        self._held[attempt.job.id] = attempt
        self._taken[attempt.job.queue] += 1
        self.running += 1

    def end(self, attempt: Attempt) -> None:
        """Its handler has ended: the slot is free, the job still held."""
        attempt.ended = True
        self._taken[attempt.job.queue] -= 1
        self.running -= 1
        self.freed.set()

    def settle(self, attempt: Attempt) -> None:
        """What became of it is recorded: it is not held any more."""
        if self._held.get(attempt.job.id) is attempt:
            del self._held[attempt.job.id]

    def held(self) -> Sequence[Attempt]:
        """What this worker believes to hold. Safe to call from the heart's thread."""
        return list(self._held.values())

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Somebody wants these jobs stopped, whichever attempt of them runs here; or none, as yet."""
        for job_id in job_ids:
            attempt = self._held.get(job_id)
            if attempt is not None:
                attempt.stop_for(Stop.CANCEL)
            else:
                self._unstarted(job_id)

    @property
    def at_rest(self) -> bool:
        """No handler runs, and what became of each is recorded."""
        return not self.running and not self._held

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing is held."""
        return not self._held
