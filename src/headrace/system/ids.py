"""The only place that makes ids and random numbers. Everything above takes an Ids or an Entropy."""

import os
import random
import threading
from collections.abc import Callable

from headrace.system.clock import Clock

Entropy = Callable[[], float]
"""A random number in [0, 1)."""

system_entropy: Entropy = random.SystemRandom().random


def jitter_source(seed: int | str | None = None) -> Entropy:
    """A fast source of random numbers, not for secrets."""
    return random.Random(seed).random


class Ids:
    """Makes UUIDv7 texts that rise within this process, across its threads, and after a fork."""

    def __init__(self, clock: Clock, seed: int | None = None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seed = seed
        self._reset()
        if seed is None:
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(os.urandom(32) if self._seed is None else self._seed)
        self._last_ms = 0
        self._counter = 0
        self._prefix = ""

    def new(self) -> str:
        """The next id: 48 bits of time, 12 random bits for each millisecond, 61 bits that count up by random steps."""
        with self._lock:
            return self._next(self._clock.wall())

    def several(self, count: int) -> list[str]:
        """The next ids, rising."""
        with self._lock:
            now = self._clock.wall()
            return [self._next(now) for _ in range(count)]

    def _next(self, now: int) -> str:
        if now > self._last_ms:
            self._turn(now)
        else:
            self._counter += 1 + self._random.getrandbits(32)
            if self._counter >= _COUNTER_END:
                self._turn(self._last_ms + 1)
        low = self._counter
        # in half the time that an f-string takes
        return "%s%04x-%012x" % (self._prefix, low >> 48, low & 0xFFFFFFFFFFFF)  # noqa: UP031

    def _turn(self, moment: int) -> None:
        self._last_ms = moment
        time_text = f"{moment:012x}"
        self._prefix = f"{time_text[:8]}-{time_text[8:]}-7{self._random.getrandbits(12):03x}-"
        self._counter = _COUNTER_START + self._random.getrandbits(61)


_COUNTER_START = 0x8000000000000000
"""The two highest bits of the last half are the variant, 10; the next starts at 0, so that counting can't overflow."""
_COUNTER_END = 0xC000000000000000


def age_of(job_id: str, now_ms: int) -> float:
    """Seconds since a UUIDv7 text was made; 0 for any other text."""
    digits = job_id.replace("-", "")
    try:
        return max(0.0, (now_ms - int(digits[:12], 16)) / 1000) if len(digits) == 32 and digits[12] == "7" else 0.0
    except ValueError:
        return 0.0
