"""Retry policies: how often, and how long to wait after the n-th failure."""

from enum import StrEnum
from typing import Literal, Self

import msgspec

from headrace.model.duration import LONGEST, Duration, seconds
from headrace.model.errors import InvalidOption

MOST_ATTEMPTS = 1_000_000
_CAP = 15 * 60.0
_JITTER = 0.1
_DAY = 86400.0
_LONGEST_SHIFT = 1023
"""2.0 ** 1023 is the largest power of two that a float holds."""


class Backoff(StrEnum):
    """How the delay grows from failure to failure."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


class RetryPolicy(msgspec.Struct, frozen=True):
    """How often a job may run, and how long it waits between runs. Use the constructors below."""

    max_attempts: int = 3
    """Total runs, the first included."""
    backoff: Backoff = Backoff.EXPONENTIAL
    base: float = 1.0
    """Seconds."""
    cap: float = _CAP
    """The longest delay before jitter, in seconds."""
    jitter: float = _JITTER
    """The share by which a delay varies, both ways; 0 gives the formula exactly."""

    @classmethod
    def none(cls) -> Self:
        """One run; the first failure is final."""
        return cls(max_attempts=1, backoff=Backoff.FIXED, base=0.0)

    @classmethod
    def fixed(
        cls, max_attempts: int = 3, delay: Duration = 1.0, *, cap: Duration = _CAP, jitter: float = _JITTER
    ) -> Self:
        """The same delay after every failure."""
        return cls._checked(max_attempts, Backoff.FIXED, seconds(delay, "delay"), cap, jitter)

    @classmethod
    def linear(
        cls, max_attempts: int = 3, base: Duration = 1.0, *, cap: Duration = _CAP, jitter: float = _JITTER
    ) -> Self:
        """``base * n`` after the n-th failure."""
        return cls._checked(max_attempts, Backoff.LINEAR, base, cap, jitter)

    @classmethod
    def exponential(
        cls, max_attempts: int = 3, base: Duration = 1.0, *, cap: Duration = _CAP, jitter: float = _JITTER
    ) -> Self:
        """``base * 2 ** (n - 1)`` after the n-th failure."""
        return cls._checked(max_attempts, Backoff.EXPONENTIAL, base, cap, jitter)

    @classmethod
    def tako(
        cls, max_retries: int = 0, base: Duration = 1.0, backoff: Literal["fixed", "exponential"] = "exponential"
    ) -> Self:
        """As tako::queue counts: ``max_retries`` after the first run, none by default, at most a day apart."""
        if isinstance(max_retries, bool) or not isinstance(max_retries, int) or not 0 <= max_retries < MOST_ATTEMPTS:
            raise InvalidOption(
                "max_retries", max_retries, f"it must be a whole number from 0 to {MOST_ATTEMPTS - 1:,}"
            )
        shape = _shape(backoff, Backoff.FIXED, Backoff.EXPONENTIAL)
        return cls._checked(max_retries + 1, shape, base, _DAY, 0.0)

    @classmethod
    def taquba(cls, max_attempts: int = 3, base: Duration = 1.0, cap: Duration = 300.0) -> Self:
        """As Taquba waits: 1 s, 2 s, 4 s, ... up to five minutes."""
        return cls._checked(max_attempts, Backoff.EXPONENTIAL, base, cap, 0.0)

    @classmethod
    def rustqueue(
        cls,
        max_attempts: int = 3,
        base: Duration = 1.0,
        backoff: Literal["fixed", "linear", "exponential"] = "exponential",
    ) -> Self:
        """As RustQueue waits: 1 s, 2 s, 4 s, ... without a cap but that of all our durations, ten years."""
        return cls._checked(max_attempts, _shape(backoff, *Backoff), base, LONGEST, 0.0)

    @classmethod
    def forge(cls, max_attempts: int = 5, base: Duration = 60.0, cap: Duration = 1800.0) -> Self:
        """As forge-jobs waits with its back-off switched on: twice the base first, 2 min, 4 min, ... up to half an
        hour. Switched off, it is ``RetryPolicy.fixed(max_attempts, 0)``."""
        first = 2 * seconds(base, "base", most=LONGEST / 2)
        return cls._checked(max_attempts, Backoff.EXPONENTIAL, first, cap, 0.0)

    @classmethod
    def _checked(cls, max_attempts: int, backoff: Backoff, base: Duration, cap: Duration, jitter: float) -> Self:
        if isinstance(jitter, bool) or not isinstance(jitter, int | float) or not 0 <= jitter <= 1:
            raise InvalidOption("jitter", jitter, "it must be a share from 0 to 1")
        return cls(check_max_attempts(max_attempts), backoff, seconds(base, "base"), seconds(cap, "cap"), float(jitter))

    def delay(self, failures: int, random: float) -> float:
        """Seconds to wait after failure number ``failures`` (from 1), ``random`` being in [0, 1)."""
        match self.backoff:
            case Backoff.FIXED:
                exact = self.base
            case Backoff.LINEAR:
                exact = self.base * failures
            case Backoff.EXPONENTIAL:
                exact = self.base * 2.0 ** min(failures - 1, _LONGEST_SHIFT)
        return min(exact, self.cap) * (1.0 + self.jitter * (2.0 * random - 1.0))


def _shape(value: object, *allowed: Backoff) -> Backoff:
    if value not in allowed:
        raise InvalidOption("backoff", value, f"it must be {' or '.join(allowed)}")
    return Backoff(str(value))


def check_max_attempts(value: object) -> int:
    """``value`` itself when it is a count of runs, else InvalidOption."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_ATTEMPTS:
        raise InvalidOption("max_attempts", value, f"it must be a whole number from 1 to {MOST_ATTEMPTS:,}")
    return value
