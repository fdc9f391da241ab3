"""When a handle may try to reach its server: one try at a time, later after each failure, never in step with others."""

import math

from headrace.system.clock import Clock
from headrace.system.ids import Entropy

_FIRST, _LONGEST = 0.1, 1.0
"""Seconds. The longest is short enough that all are at work again within five seconds once a server is back, and long
enough that a thousand handles don't keep it from coming back."""
_DOUBLINGS = 10
_SHORTEST_SHARE = 0.5
_EARLY = 6
"""Failures before the pause is the longest, and one more for the first of two connections of a try."""


def pause(failures: int, entropy: Entropy) -> float:
    """Seconds after so many failures in a row: between a half and one and a half of a growing delay."""
    delay = min(_LONGEST, _FIRST * 2.0 ** min(failures - 1, _DOUBLINGS))
    return delay * (_SHORTEST_SHARE + entropy())


def most_tries(seconds: float) -> int:
    """How often a handle tries to reach a server that is away for so long, at most: six times in the first second or
    so, then once in half a second. Its calls and the connection that hears notices share these tries."""
    return _EARLY + math.ceil(seconds / (_LONGEST * _SHORTEST_SHARE))


class Pace:
    """That of one handle, shared by all that connect for it."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock, self._entropy = clock, entropy
        self._in_a_row, self._next_at = 0, 0.0
        self.failures = 0
        """Of all times."""
        self.cause: Exception | None = None
        """Why the last try failed, if it did."""

    @property
    def wait(self) -> float:
        """Seconds until the next try may be made."""
        return 0.0 if self.cause is None else max(0.0, self._next_at - self._clock.monotonic())

    async def opening(self) -> None:
        """Until the next try may be made."""
        while (seconds := self.wait) > 0:
            await self._clock.sleep(seconds)

    def fail(self, cause: Exception) -> None:
        """A try failed."""
        self._in_a_row += 1
        self.failures += 1
        self.cause = cause
        self._next_at = self._clock.monotonic() + pause(self._in_a_row, self._entropy)

    def reach(self) -> None:
        """A try succeeded."""
        self._in_a_row, self.cause = 0, None

    def now(self) -> float:
        """Seconds on the clock that pauses are measured by."""
        return self._clock.monotonic()

    async def rest(self, failures: int, most: float) -> None:
        """Between two tries of one call: until the server may be tried again, but ``most`` seconds at most."""
        await self._clock.sleep(max(0.0, min(most, max(self.wait, pause(failures, self._entropy)))))
