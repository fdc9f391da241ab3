"""Which dead jobs an operator means."""

import msgspec

from headrace.model.errors import InvalidOption
from headrace.model.job import Job
from headrace.model.lifecycle import DEAD_REASONS
from headrace.model.state import State


class Selection(msgspec.Struct, frozen=True):
    """Dead jobs that pass every condition given."""

    queue: str | None = None
    task: str | None = None
    reason: str | None = None
    """Why they died: one of DEAD_REASONS."""
    error: str | None = None
    """What their last error begins with: ``ValueError``, or ``ValueError: no such``."""
    finished_after: int | None = None
    """Dead since this instant or later, milliseconds since 1970 UTC."""
    finished_before: int | None = None
    """Dead since before this instant."""

    @property
    def is_plain(self) -> bool:
        """Whether a storage can tell the jobs by itself."""
        return self == Selection(self.queue, self.task)


def selects(selection: Selection, job: Job) -> bool:
    """Whether the job is one of those that are meant."""
    finished_at = job.finished_at or 0
    return (
        job.state is State.DEAD
        and selection.queue in (None, job.queue)
        and selection.task in (None, job.task)
        and selection.reason in (None, job.reason)
        and (selection.error is None or (job.last_error or "").startswith(selection.error))
        and (selection.finished_after is None or finished_at >= selection.finished_after)
        and (selection.finished_before is None or finished_at < selection.finished_before)
    )


def check_reason(value: object) -> str:
    """``value`` itself where jobs die of it, else InvalidOption: a mistyped reason would select nothing."""
    if not isinstance(value, str) or value not in DEAD_REASONS:
        raise InvalidOption("reason", value, f"it must be one of {', '.join(sorted(DEAD_REASONS))}")
    return value
