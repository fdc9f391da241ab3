"""What a checker says of a history."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from headrace.testing.history.records import AnyRecord


class Kind(StrEnum):
    """What may not happen."""

    LOST = "lost"
    """A promised job is in no final state at the end, or nowhere."""
    GHOST = "ghost"
    """A job or an effect that nobody asked for, or that a refused call left behind."""
    STALE_WRITE = "stale write"
    """A write was let through whose writer did not hold the job any more."""
    DOUBLE_COMPLETION = "double completion"
    """A job went into a final state twice, with nobody sending it back in between."""
    OVERLAP = "overlap"
    """Two workers with live leases held one job at one instant."""
    EARLY_START = "early start"
    """A job was given out before it was due."""
    INVERSION = "inversion"
    """A job was given out while one that comes before it in its queue was left waiting."""
    ATTEMPTS = "attempts"
    """More attempts, or fewer, than the job's failures account for."""
    CRASHES = "crashes"
    """A crash budget that was overdrawn, or a crash counted as a failure."""
    PERMITS = "permits"
    """More permits of a limit in some window than it allows."""
    CEILING = "ceiling"
    """More jobs of a queue running at once than it allows."""
    TICKS = "ticks"
    """A tick that brought no job, or several."""
    DEDUP = "dedup"
    """Two jobs that hold one key, or a duplicate of none."""
    CONSERVATION = "conservation"
    """More or fewer jobs than were put in and taken out."""
    CANCEL = "cancel"
    """A job that was cancelled while it waited, and ran even so; or that was cancelled and tried again."""
    RESULT = "result"
    """A result that is not what the completing attempt returned."""
    FOLLOW_UP = "follow-up"
    """A job that should exist if and only if another completed, and does not, or does without it."""
    STUCK = "stuck"
    """A job that did not come to its end in time once all faults were over."""


class Violation(msgspec.Struct, frozen=True):
    """One thing that happened and may not."""

    kind: Kind
    what: str
    """A sentence with the ids, instants and numbers that show it."""
    records: Sequence[AnyRecord]
    """The smallest part of the history in which it can still be seen, in order."""


class Verdict(msgspec.Struct, frozen=True):
    """The counts of a history, and every violation."""

    violations: Sequence[Violation]
    counts: Mapping[str, int]
    """``acknowledged``, ``lost``, ``starts``, ``duplicate_starts``, ``completions``, ``double_completions``,
    ``stale_writes_refused``, ``kills``, ``stops`` and the like. Duplicate starts are allowed, and never hidden."""

    @property
    def is_good(self) -> bool:
        """Nothing happened that may not."""
        return not self.violations
