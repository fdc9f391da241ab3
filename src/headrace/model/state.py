"""The seven states of a job, their three kinds, and the table of allowed moves."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a job is in its life."""

    SCHEDULED = "scheduled"
    """Waits for its due time: delayed, snoozed, throttled, limited, parked, or put off until it can run alone."""
    PENDING = "pending"
    """Due: the next free worker takes it."""
    RUNNING = "running"
    """Held by one worker, under that worker's lease."""
    RETRYING = "retrying"
    """Waits for its due time after a failure or a crash."""
    COMPLETED = "completed"
    """Its handler returned. Final."""
    DEAD = "dead"
    """It failed for good, and waits for an operator. Final, but for an operator's retry."""
    CANCELLED = "cancelled"
    """Stopped by wish. Final."""


class Kind(StrEnum):
    """What a storage needs to know of a state. It never knows reasons."""

    WAITING = "waiting"
    RUNNING = "running"
    FINAL = "final"


WAITING = frozenset({State.SCHEDULED, State.PENDING, State.RETRYING})
RUNNING = frozenset({State.RUNNING})
FINAL = frozenset({State.COMPLETED, State.DEAD, State.CANCELLED})

KIND: Mapping[State, Kind] = MappingProxyType(
    dict.fromkeys(WAITING, Kind.WAITING) | dict.fromkeys(RUNNING, Kind.RUNNING) | dict.fromkeys(FINAL, Kind.FINAL)
)

MOVES: Mapping[State, Mapping[State, str]] = MappingProxyType(
    {
        State.SCHEDULED: {
            State.PENDING: "due, or run now",
            State.CANCELLED: "cancelled",
        },
        State.PENDING: {
            State.RUNNING: "claimed",
            State.CANCELLED: "cancelled",
        },
        State.RETRYING: {
            State.PENDING: "due, or run now",
            State.CANCELLED: "cancelled",
        },
        State.RUNNING: {
            State.RUNNING: "cancel requested, reclaimed, or stamped alone",
            State.PENDING: "interrupted",
            State.SCHEDULED: "snoozed, throttled, limited, parked, or waits to run alone",
            State.RETRYING: "failed or crashed, budget left",
            State.COMPLETED: "returned",
            State.DEAD: "failed or crashed for good",
            State.CANCELLED: "cancelled",
        },
        State.COMPLETED: {},
        State.DEAD: {State.PENDING: "retried by an operator"},
        State.CANCELLED: {},
    }
)
"""From a state, to a state, with the words for why. No move outside this table exists."""
