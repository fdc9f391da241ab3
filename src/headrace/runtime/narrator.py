"""Tells the bus what happened to jobs: which events follow from which change."""

from headrace.model.change import Change
from headrace.model.job import Job, NewJob
from headrace.model.state import State
from headrace.runtime import events
from headrace.runtime.attempt import Attempt
from headrace.runtime.events import Bus, Event
from headrace.storage.contract import Receipt
from headrace.system.clock import Clock

_AFTER: dict[State, tuple[str, ...]] = {
    State.COMPLETED: (events.COMPLETED,),
    State.RETRYING: (events.FAILED, events.RETRYING),
    State.DEAD: (events.FAILED, events.DEAD_LETTER),
    State.CANCELLED: (events.CANCELLED,),
    State.SCHEDULED: (events.SNOOZED,),
}


class Narrator:
    """Makes only events that somebody wants."""

    def __init__(self, bus: Bus, clock: Clock, worker_id: str) -> None:
        self._bus, self._clock, self._worker_id = bus, clock, worker_id

    def queued(self, new: NewJob, receipt: Receipt[object]) -> None:
        """A schedule brought it."""
        if self._bus.wants(events.QUEUED) and not receipt.duplicate:
            self._bus.emit(Event(events.QUEUED, new.id, new.task, new.queue, 0, None, self._clock.wall()))

    def started(self, attempt: Attempt) -> None:
        """Its handler is about to run."""
        if self._bus.wants(events.STARTED):
            self._tell(events.STARTED, attempt.job, None, None)

    def settled(self, job: Job, change: Change, attempt: Attempt | None) -> None:
        """What became of it is recorded."""
        state, reason = change.patch.state, change.patch.reason
        if state is None or (state is State.COMPLETED and not self._bus.wants(events.COMPLETED)):
            return
        following = _AFTER.get(state, ())
        if attempt is None:
            following = (events.DEAD_LETTER,) if state is State.DEAD else ()
        elif reason == "throttled":
            following = (events.THROTTLED,)
        ended = change.patch.ended
        if ended is not None and ended.outcome == "crashed":
            following = _after_crash(state)
        for event_id in following:
            if self._bus.wants(event_id):
                words = ended.failure.text if ended is not None and ended.failure is not None else reason
                seconds = None if attempt is None else self._clock.monotonic() - attempt.started
                self._tell(event_id, job, seconds, words)

    def rescued(self, job: Job, state: State, reason: str | None) -> None:
        """It was taken over from a vanished worker and put where ``state`` says."""
        for event_id in (events.RESCUED, *_after_crash(state)):
            if self._bus.wants(event_id):
                self._tell(event_id, job, None, reason)

    def _tell(self, event_id: str, job: Job, seconds: float | None, reason: str | None) -> None:
        at = self._clock.wall()
        self._bus.emit(Event(event_id, job.id, job.task, job.queue, job.attempt, self._worker_id, at, seconds, reason))


def _after_crash(state: State) -> tuple[str, ...]:
    """A crash is no failure of the handler."""
    return tuple(event_id for event_id in _AFTER.get(state, ()) if event_id != events.FAILED)
