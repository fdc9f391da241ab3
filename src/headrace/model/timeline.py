"""Rows of the timeline: what happened, counted and measured, for people who look at it later."""

import msgspec


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One row. Never needed for a decision about a job."""

    id: str
    """Made by the writer: the same id again replaces the row."""
    kind: str
    """What ``value`` is."""
    queue: str
    at: int
    """Milliseconds since 1970 UTC; rows are read and pruned in this order."""
    value: str
    """JSON text."""
