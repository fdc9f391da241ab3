"""What follows when a child of the supervisor has ended. Pure: no processes, no clock, no randomness of its own."""

import msgspec

from headrace.interface.cli.exits import FAILED, SCHEMA, STORE, USAGE
from headrace.model.retry import RetryPolicy
from headrace.runtime.worker import BLOCKED_EXIT

MOST_UNREADY = 5
"""Deaths in a row before a child was ready, after which it can't be kept alive."""
HEALTHY = 60.0
"""Seconds at work after which what went before is forgotten."""

_PAUSE = RetryPolicy.exponential(base=0.2, cap=30.0, jitter=0.5)
_REFUSALS = frozenset({FAILED, USAGE, SCHEMA, STORE})
"""Exit codes by which a child says why it can't start. At the first start that is the user's to mend."""


class Past(msgspec.Struct, frozen=True):
    """What is remembered of the children in one place."""

    deaths: int = 0
    """In a row, none of them after a healthy while."""
    unready: int = 0
    """In a row, before they were ready."""


class Death(msgspec.Struct, frozen=True):
    """One child has ended though nobody told it to."""

    code: int
    """Its exit code, or minus the signal that ended it."""
    ready_for: float | None
    """Seconds since it was ready; None where it never was."""
    refused: bool = False
    """Whether the store would take nothing from any other in its place either."""


class Respawn(msgspec.Struct, frozen=True):
    """Start another in its place."""

    delay: float
    """Seconds to wait before."""
    past: Past


class GiveUp(msgspec.Struct, frozen=True):
    """End the supervisor."""

    code: int
    why: str


def judge(past: Past, death: Death, *, ever_ready: bool, random: float) -> Respawn | GiveUp:
    """``ever_ready``: whether any child of this supervisor ever was. ``random`` in [0, 1) jitters the delay."""
    if death.refused:
        return GiveUp(death.code, "the store takes nothing from a worker any more")
    if death.ready_for is not None:
        if death.code == BLOCKED_EXIT:
            return Respawn(0.0, Past())
        deaths = 1 if death.ready_for >= HEALTHY else past.deaths + 1
        return Respawn(_PAUSE.delay(deaths, random), Past(deaths))
    if not ever_ready and death.code in _REFUSALS:
        return GiveUp(death.code, "the worker could not start")
    now = Past(past.deaths + 1, past.unready + 1)
    if now.unready >= MOST_UNREADY and not (ever_ready and death.code == STORE):
        code = death.code if death.code in _REFUSALS else FAILED
        return GiveUp(code, f"{now.unready} worker processes in a row ended before they were ready")
    return Respawn(_PAUSE.delay(now.deaths, random), now)


def ending(code: int) -> str:
    """An exit code in words."""
    if code < 0:
        return f"killed by signal {-code}"
    if code == BLOCKED_EXIT:
        return "ended itself: a timed-out handler blocked its event loop"
    return f"exit code {code}"
