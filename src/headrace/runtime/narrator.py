"""Tells the bus what happened to jobs: which events follow from which change."""

from collections.abc import Sequence

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
_COMPLETED = State.COMPLETED
_UNSTARTED = (events.DEAD_LETTER, events.CANCELLED)
"""What is told of a job that was claimed and never started."""


class Narrator:
    """Makes only events that somebody wants."""

    def __init__(self, bus: Bus, clock: Clock, worker_id: str) -> None:
        self._bus, self._clock, self._worker_id = bus, clock, worker_id

    @property
    def tells_of_queued(self) -> bool:
        """Whether anybody wants to know of new jobs."""
        return self._bus.wants(events.QUEUED)

    def queued(self, new: NewJob, receipt: Receipt[object]) -> None:
        """A schedule brought it."""
        if not receipt.duplicate:
            self.followed(new)

    def followed(self, new: NewJob) -> None:
        """It came with a completion, and exists."""
        if self.tells_of_queued:
            self._bus.emit(Event(events.QUEUED, new.id, new.task, new.queue, 0, None, self._clock.wall()))

    def started(self, job: Job) -> None:
        """It is about to run."""
        if self._bus.wants(events.STARTED):
            self._tell(events.STARTED, job, None, None)

    def settled(self, job: Job, change: Change, attempt: Attempt | None) -> None:
        """What became of it is recorded; without ``attempt`` it never started."""
        patch = change.patch
        if patch.state is _COMPLETED and not self._bus.wants(events.COMPLETED):
            return
        seconds = None if attempt is None else attempt.ended_at - attempt.started
        self._tell_all(events_of(change, started=attempt is not None), job, change, seconds)

    def answered(self, job: Job, change: Change) -> None:
        """What became of an attempt by hand is recorded."""
        self._tell_all(events_of(change, started=True), job, change, None)

    def _tell_all(self, following: Sequence[str], job: Job, change: Change, seconds: float | None) -> None:
        ended = change.patch.ended
        words = ended.failure.text if ended is not None and ended.failure is not None else change.patch.reason
        for event_id in following:
            if self._bus.wants(event_id):
                self._tell(event_id, job, seconds, words)

    def rescued(self, job: Job, state: State, reason: str | None) -> None:
        """It was taken over from a vanished worker and put where ``state`` says."""
        for event_id in events_of_rescue(state):
            if self._bus.wants(event_id):
                self._tell(event_id, job, None, reason)

    def _tell(self, event_id: str, job: Job, seconds: float | None, reason: str | None) -> None:
        at = self._clock.wall()
        self._bus.emit(Event(event_id, job.id, job.task, job.queue, job.attempt, self._worker_id, at, seconds, reason))


def events_of(change: Change, *, started: bool) -> tuple[str, ...]:
    """The events that follow from what was recorded of a job. ``started``: its handler was."""
    state, ended = change.patch.state, change.patch.ended
    if state is None:
        return ()
    if ended is not None and ended.outcome == "crashed":
        return _after_crash(state)
    if not started:
        return tuple(event_id for event_id in _AFTER.get(state, ()) if event_id in _UNSTARTED)
    if change.patch.reason == "throttled":
        return (events.THROTTLED,)
    return _AFTER.get(state, ())


def events_of_rescue(state: State) -> tuple[str, ...]:
    """The events that follow from a rescue that put a job into this state."""
    return (events.RESCUED, *_after_crash(state))


def _after_crash(state: State) -> tuple[str, ...]:
    """A crash is no failure of the handler."""
    return tuple(event_id for event_id in _AFTER.get(state, ()) if event_id != events.FAILED)
