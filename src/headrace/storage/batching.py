"""What the storages' fast paths have in common: which changes can be done many at once, in one statement."""

from collections.abc import Sequence

import msgspec

from headrace.model.change import Change, Held
from headrace.model.state import State

_COMPLETED = State.COMPLETED


class Finish(msgspec.Struct, frozen=True, gc=False):
    """A plain completion but for its job, generation and result."""

    worker: str
    reason: str | None
    release_key: bool


def finish_of(change: Change) -> Finish | None:
    """Where a change completes a job under a fence and does nothing else but note a result; else None."""
    guard, patch = change.guard, change.patch
    if type(guard) is not Held or patch.state is not _COMPLETED or change.then or change.puts:
        return None
    simple = (
        patch.ended is None
        and patch.delay is None
        and patch.attempt == 0
        and patch.notes is None
        and patch.crashes == 0
        and not patch.reset
        and not patch.parked
        and not patch.take_key
    )
    return Finish(guard.worker, patch.reason, patch.release_key) if simple else None


def commute(changes: Sequence[Change]) -> bool:
    """Whether their order means nothing, given that each is about another job."""
    return not any(change.then or change.puts or change.patch.take_key for change in changes)
