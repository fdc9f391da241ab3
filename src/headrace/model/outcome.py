"""What an attempt may answer: a value, an error, or one of four wishes that a handler raises."""

import msgspec

from headrace.model.duration import Duration, seconds
from headrace.model.names import check_name


class Control(Exception):
    """The base of what a handler raises to steer its own job: wishes, not errors."""


class Snooze(Control):
    """Run this job again later. No attempt is burned."""

    def __init__(self, delay: Duration) -> None:
        self.delay = seconds(delay, "delay")
        super().__init__(f"snoozed for {self.delay:g} s")


class Throttled(Control):
    """The upstream said "too fast": run again after ``retry_after``, later each time where the queue has back-off. No
    attempt is burned. With ``limit`` nobody gets a permit of that limit before ``retry_after`` is over."""

    def __init__(self, retry_after: Duration, limit: str | None = None) -> None:
        self.retry_after = seconds(retry_after, "retry_after")
        self.limit = None if limit is None else check_name("limit", limit)
        super().__init__(f"throttled for {self.retry_after:g} s")


class PermanentFailure(Control):
    """This job can never succeed: it is dead now, whatever attempts are left."""

    def __init__(self, reason: str = "permanent failure") -> None:
        self.reason = reason
        super().__init__(reason)


class Cancelled(Control):
    """This job should not go on: it is cancelled, and never retried."""

    def __init__(self, reason: str = "cancelled by its handler") -> None:
        self.reason = reason
        super().__init__(reason)


class Failure(msgspec.Struct, frozen=True, gc=False):
    """An error in the form that is stored: bounded text."""

    kind: str
    """The exception's type name, or ``Timeout``, ``Crash`` or ``RolledBack``."""
    message: str
    """The chain of messages, outermost first."""
    traceback: str = ""

    @property
    def text(self) -> str:
        """What went wrong, in a line."""
        return f"{self.kind}: {self.message}"


class Returned(msgspec.Struct, frozen=True, gc=False):
    """The handler returned."""

    result: bytes | None = None
    """The encoded value; None when the handler returned None."""
    result_error: str | None = None
    """Why a value could not be kept. The job completes all the same."""


class Raised(msgspec.Struct, frozen=True, gc=False):
    """The handler raised, or ran out of time."""

    failure: Failure
    final: bool = False
    """True where another attempt is not wanted (``give_up_on``)."""


ROLLED_BACK = Raised(
    Failure(
        "RolledBack",
        "the handler returned, but the transaction in which it completed the job (complete_in) was not committed",
    )
)
"""The handler returned, and what it did was taken back."""


class Refused(msgspec.Struct, frozen=True, gc=False):
    """The handler raised PermanentFailure."""

    failure: Failure


class Snoozed(msgspec.Struct, frozen=True, gc=False):
    """The handler raised Snooze or Throttled."""

    delay: float
    reason: str = "snoozed"
    """``snoozed`` or ``throttled``."""
    limit: str | None = None
    """Of Throttled: the limit to close for as long."""


class Stopped(msgspec.Struct, frozen=True, gc=False):
    """The handler was cancelled, or raised Cancelled."""

    reason: str


class Crashed(msgspec.Struct, frozen=True, gc=False):
    """The process that ran this one attempt died: a crash that nothing else can be blamed for."""

    failure: Failure


Outcome = Returned | Raised | Refused | Snoozed | Stopped | Crashed
