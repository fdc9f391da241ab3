"""The only place that makes ids and random numbers. Everything above takes an Ids or an Entropy."""

import os
import random
import threading
from collections.abc import Callable

from headrace.system.clock import Clock

Entropy = Callable[[], float]
"""A random number in [0, 1)."""

system_entropy: Entropy = random.SystemRandom().random


def jitter_source(seed: int | None = None) -> Entropy:
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
        self._tail = 0

    def new(self) -> str:
        """The next id."""
        with self._lock:
            now = self._clock.wall()
            if now > self._last_ms:
                self._last_ms = now
                self._tail = self._random.getrandbits(73)
            else:
                self._tail += 1 + self._random.getrandbits(32)
                if self._tail >> 74:
                    self._last_ms += 1
                    self._tail = self._random.getrandbits(73)
            tail, moment = self._tail, self._last_ms
        # 48 bits of time, version 7, 12 bits, variant 2, 62 bits
        high, low = tail >> 62, tail & 0x3FFFFFFFFFFFFFFF
        text = f"{moment:012x}7{high:03x}{low | 0x8000000000000000:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def age_of(job_id: str, now_ms: int) -> float:
    """Seconds since a UUIDv7 text was made; 0 for any other text."""
    digits = job_id.replace("-", "")
    try:
        return max(0.0, (now_ms - int(digits[:12], 16)) / 1000) if len(digits) == 32 and digits[12] == "7" else 0.0
    except ValueError:
        return 0.0
