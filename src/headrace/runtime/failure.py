"""What handlers raise, as outcomes and bounded text: whatever it is, storing it never fails."""

from headrace.model.bounds import bounded
from headrace.model.error_chain import LONGEST_MESSAGE, class_name, format_error_chain
from headrace.model.outcome import (
    Cancelled,
    Crashed,
    Failure,
    Outcome,
    PermanentFailure,
    Raised,
    Refused,
    Snooze,
    Snoozed,
    Stopped,
    Throttled,
)
from headrace.runtime.registry import Handler
from headrace.runtime.tracebacks import format_traceback
from headrace.system.spawn import NotStarted, ProcessDied

_BREATHER = 1.0
"""Seconds until a job is tried again that got no thread and no process: it never ran, and no attempt is burned."""
_KIND_LIMIT = 255
_TRACEBACK_LIMIT = 64 * 1024


class AnsweredInProcess(Exception):
    """A process executor's child answered with something else than a value."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("the handler failed in its process")
        self.outcome = outcome


def outcome_of(error: BaseException, handler: Handler | None) -> Outcome:
    """What was meant by raising this; without a handler, no task says what is tried again."""
    try:
        return _read(error, handler)
    except BaseException:  # its class, its name or its attributes are code that raises
        return Raised(Failure(bounded(class_name(error), _KIND_LIMIT), "<an error that raises when it is looked at>"))


def _read(error: BaseException, handler: Handler | None) -> Outcome:
    match error:
        case AnsweredInProcess(outcome=outcome):
            return outcome
        case Snooze(delay=delay):
            return Snoozed(delay)
        case Throttled(retry_after=delay, limit=limit):
            return Snoozed(delay, "throttled", limit)
        case PermanentFailure():
            return Refused(describe(error))
        case Cancelled(reason=reason):
            return Stopped(bounded(str(reason), LONGEST_MESSAGE))
        case NotStarted():
            return Snoozed(_BREATHER, "not_started")
        case ProcessDied():
            return Crashed(describe(error))
        case _:
            return Raised(describe(error), final=handler is not None and _is_final(error, handler))


def _is_final(error: BaseException, handler: Handler) -> bool:
    wanted = not handler.retry_on or isinstance(error, handler.retry_on)
    return not wanted or isinstance(error, handler.give_up_on)


def describe(error: BaseException) -> Failure:
    """The failure to store."""
    return Failure(bounded(type(error).__name__, _KIND_LIMIT), format_error_chain(error), _format_traceback(error))


def _format_traceback(error: BaseException) -> str:
    try:
        return bounded("".join(format_traceback(error)), _TRACEBACK_LIMIT)
    except BaseException:
        return f"<the traceback of {type(error).__name__} could not be formatted>"
