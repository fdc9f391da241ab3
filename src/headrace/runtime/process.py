"""What happens inside a process executor's child: find the task by its origin, run it, answer as data."""

import asyncio
import sys
from importlib import import_module
from typing import cast

import msgspec

from headrace.model.codec import encode_result
from headrace.model.job import Job
from headrace.model.outcome import Crashed, Outcome, Raised, Refused, Returned, Snoozed, Stopped
from headrace.runtime.attempt import Attempt, running
from headrace.runtime.failure import outcome_of
from headrace.runtime.registry import Handler


class Assignment(msgspec.Struct, frozen=True):
    """One attempt, as it crosses into the child."""

    origin: str
    """``module:qualified.name`` of the task's function, from the parent's registry."""
    job: Job

    def encode(self) -> bytes:
        """As the child reads it."""
        return msgspec.json.encode(self)


class Answered(msgspec.Struct, frozen=True):
    """The outcome, as it crosses back."""

    kind: str
    outcome: msgspec.Raw

    @staticmethod
    def encode(outcome: Outcome) -> bytes:
        """As the parent reads it."""
        raw = msgspec.Raw(msgspec.json.encode(outcome))
        return msgspec.json.encode(Answered(type(outcome).__name__, raw))

    @staticmethod
    def decode(data: bytes) -> Outcome:
        """What ``encode`` was given."""
        answered = msgspec.json.decode(data, type=Answered)
        return msgspec.json.decode(answered.outcome, type=_KINDS[answered.kind])


_KINDS: dict[str, type[Outcome]] = {
    kind.__name__: kind for kind in (Returned, Raised, Refused, Snoozed, Stopped, Crashed)
}


def run_assignment(data: bytes) -> bytes:
    """Runs in the child. The parent settles what it answers."""
    assignment = msgspec.json.decode(data, type=Assignment)
    handler = _find(assignment.origin)
    running.set(Attempt(assignment.job, handler))
    try:
        call = handler.read(assignment.job)
        value = handler.function(*call.args, **call.kwargs)
        if handler.is_async:
            value = asyncio.run(value)  # type: ignore[arg-type] # is_async says so
        return Answered.encode(Returned(*encode_result(value, handler.returns)))
    except BaseException as error:
        return Answered.encode(outcome_of(error, handler))


def _find(origin: str) -> Handler:
    module_name, _, path = origin.partition(":")
    module = sys.modules.get(module_name) or import_module(module_name)
    found: object = module
    for name in path.split("."):
        found = getattr(found, name)
    return cast("Handler", getattr(found, "handler"))  # noqa: B009 - a Task of the interface, unknown on this floor
