"""What a running handler reaches through ``current()``: one set for all attempts of a worker."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from headrace.model.job import NewJob, Notes
from headrace.model.record import Put
from headrace.runtime.limiter import Limiter
from headrace.system.clock import Clock

if TYPE_CHECKING:
    from headrace.runtime.attempt import Attempt


class Notebook(Protocol):
    """Takes what handlers tell and ask for. Never waits; called from any thread."""

    def note(self, attempt: "Attempt", notes: Notes) -> None:
        """Progress in place of what was told before, or lines for the log. Nothing once the attempt has ended."""
        ...

    def follow(self, attempt: "Attempt", jobs: Sequence[NewJob], puts: Sequence[Put]) -> None:
        """What shall exist if and only if this attempt completes its job; or AttemptEnded."""
        ...


class Completions(Protocol):
    """Completes jobs inside transactions of their handlers' own. Called from any thread."""

    def complete(self, attempt: "Attempt", session: object, result: object) -> None:
        """With a sync session, on the calling thread."""
        ...

    async def acomplete(self, attempt: "Attempt", session: object, result: object) -> None:
        """With either kind of session, on the calling loop."""
        ...


class Services(msgspec.Struct, frozen=True):
    """Handed to each attempt."""

    notebook: Notebook
    clock: Clock
    new_id: Callable[[], str]
    limiter: Limiter | None = None
    """None in a process executor's child."""
    completions: Completions | None = None
    """None there too."""
    passes_on: bool = True
    """Whether log lines go to this process's own logging as well."""
