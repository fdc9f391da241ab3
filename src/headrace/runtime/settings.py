"""The numbers that a runtime goes by, checked once. Every default stands here with its reason."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from headrace.model.errors import InvalidOption
from headrace.model.lifecycle import CRASH_BUDGET, UNKNOWN_TASK_GRACE
from headrace.model.retry import RetryPolicy
from headrace.model.state import State
from headrace.storage.contract import Keep

CONCURRENCY = 4
"""Handlers at once in a queue when nothing is said."""

_DAY = 86400.0
_KEEP = {
    State.COMPLETED: Keep(_DAY, 100_000),
    State.CANCELLED: Keep(_DAY, 100_000),
    State.DEAD: Keep(30 * _DAY, 100_000),
}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, unless said otherwise."""

    lease: float = 30.0
    """A worker that has not been heard of for this long has lost its jobs."""
    beat: float = 10.0
    """How often a worker is heard of: at most a third of the lease, so that two lost beats are survived."""
    poll: float = 1.0
    """The longest an idle worker goes without looking: what a lost notice costs."""
    reap: float = 5.0
    """How often a worker looks for jobs of vanished ones."""
    grace: float = 25.0
    """How long running jobs may go on after the first stop order: under the 30 s that most hosts allow."""
    patience: float = 10.0
    """How long a call waits for a locked or unreachable store."""
    kill_after: float = 5.0
    """How long a cancelled or timed-out handler has to give way."""
    crash_budget: int = CRASH_BUDGET
    unknown_task_grace: float = UNKNOWN_TASK_GRACE
    max_payload: int = 1_048_576
    """Bytes."""
    retry: RetryPolicy = RetryPolicy()
    keep: Mapping[State, Keep] = MappingProxyType(_KEEP)
    """How long and how many final jobs are kept."""
    prune: float = 60.0
    """How often final jobs are swept."""

    def __post_init__(self) -> None:
        if self.beat > self.lease / 3:
            raise InvalidOption("beat", self.beat, f"it must be at most a third of lease={self.lease:g} s")
