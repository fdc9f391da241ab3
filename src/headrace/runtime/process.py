"""What happens inside a process executor's child: find the task by its origin, run it, answer as data."""

import asyncio
import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import cast

import msgspec

from headrace.model.codec import encode_result
from headrace.model.errors import AttemptEnded
from headrace.model.job import Job, NewJob, Notes
from headrace.model.outcome import Crashed, Outcome, Raised, Refused, Returned, Snoozed, Stopped
from headrace.model.record import Put
from headrace.runtime.attempt import Attempt, running
from headrace.runtime.failure import outcome_of
from headrace.runtime.job_log import pass_on
from headrace.runtime.notebook import Page
from headrace.runtime.registry import Handler
from headrace.runtime.services import Services
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids
from headrace.system.spawn import Tell


class Assignment(msgspec.Struct, frozen=True):
    """One attempt, as it crosses into the child."""

    origin: str
    """``module:qualified.name`` of the task's function, from the parent's registry."""
    job: Job

    def encode(self) -> bytes:
        """As the child reads it."""
        return msgspec.json.encode(self)


class Answered(msgspec.Struct, frozen=True):
    """The outcome and what shall come with it, as they cross back."""

    kind: str
    raw: msgspec.Raw
    jobs: tuple[NewJob, ...] = ()
    puts: tuple[Put, ...] = ()

    @staticmethod
    def encode(outcome: Outcome, page: Page) -> bytes:
        """As the parent reads it."""
        raw = msgspec.Raw(msgspec.json.encode(outcome))
        return msgspec.json.encode(Answered(type(outcome).__name__, raw, page.jobs, tuple(page.puts.values())))

    @staticmethod
    def decode(data: bytes) -> "Answered":
        """What ``encode`` made."""
        return msgspec.json.decode(data, type=Answered)

    @property
    def outcome(self) -> Outcome:
        """What ``encode`` was given."""
        return msgspec.json.decode(self.raw, type=_KINDS[self.kind])


_KINDS: dict[str, type[Outcome]] = {
    kind.__name__: kind for kind in (Returned, Raised, Refused, Snoozed, Stopped, Crashed)
}


class ChildNotebook:
    """Of one attempt, in its child: what it tells goes to the parent at once, what shall follow with the answer."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._closed = False
        self._page = Page()

    def note(self, attempt: Attempt, notes: Notes) -> None:  # noqa: ARG002 - the protocol's
        self._tell(msgspec.json.encode(notes))

    def follow(self, attempt: Attempt, jobs: Sequence[NewJob], puts: Sequence[Put]) -> None:
        with self._lock:
            if self._closed:
                raise AttemptEnded(attempt.job.id)
            self._page.follow(jobs, puts)

    def close(self) -> Page:
        """Takes no more."""
        with self._lock:
            self._closed = True
            return self._page


def hear(attempt: Attempt, frame: bytes) -> None:
    """Runs in the parent: what the child's notebook told."""
    notes = msgspec.json.decode(frame, type=Notes)
    attempt.services.notebook.note(attempt, notes)
    pass_on(attempt.job, notes)


@cache
def _new_id() -> Callable[[], str]:
    return Ids(SystemClock()).new


def run_assignment(data: bytes, tell: Tell) -> bytes:
    """Runs in the child. The parent settles what it answers."""
    assignment = msgspec.json.decode(data, type=Assignment)
    handler = _find(assignment.origin)
    notebook = ChildNotebook(tell)
    running.set(Attempt(assignment.job, handler, Services(notebook, SystemClock(), _new_id(), passes_on=False)))
    try:
        call = handler.read(assignment.job)
        value = handler.function(*call.args, **call.kwargs)
        if handler.is_async:
            value = asyncio.run(value)  # type: ignore[arg-type] # is_async says so
        return Answered.encode(Returned(*encode_result(value, handler.returns)), notebook.close())
    except BaseException as error:
        notebook.close()
        return Answered.encode(outcome_of(error, handler), Page())


def _find(origin: str) -> Handler:
    module_name, _, path = origin.partition(":")
    module = sys.modules.get(module_name) or import_module(module_name)
    found: object = module
    for name in path.split("."):
        found = getattr(found, name)
    return cast("Handler", getattr(found, "handler"))  # noqa: B009 - a Task of the interface, unknown on this floor
