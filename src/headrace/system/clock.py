"""The only place that reads clocks or sleeps. Everything above takes a Clock."""

import asyncio
import time
from functools import cache
from pathlib import Path
from typing import Protocol

_sleep = asyncio.sleep
_wall = time.time_ns
_monotonic = time.monotonic
_clock_gettime = time.clock_gettime
"""Bound at import: a handler that replaces ``time.time`` or ``asyncio.sleep`` doesn't move our clock."""


class Clock(Protocol):
    """Time, as an argument."""

    def wall(self) -> int:
        """Milliseconds since 1970 UTC. May step. For due times only."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment of this process's life. Never steps."""
        ...

    def boot(self) -> int:
        """Milliseconds since this machine booted, the same for all its processes, suspend included. Never steps."""
        ...

    def boot_id(self) -> str:
        """Names this boot of this machine: instants of ``boot`` mean something under the same id only."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def wall(self) -> int:
        return _wall() // 1_000_000

    monotonic = staticmethod(_monotonic)

    def boot(self) -> int:
        return int(_clock_gettime(_BOOT_CLOCK) * 1000)

    def boot_id(self) -> str:
        return _read_boot_id()

    async def sleep(self, seconds: float) -> None:
        await _sleep(seconds)


_HELD = 5_000
"""Milliseconds."""


def steady(wall: int, latest: int) -> int:
    """``wall``, but ``latest`` where that is a little earlier: jobs keep their order when the clock is slewed. A larger
    step back corrects a mistake and is followed: delays would stall until the clock had caught up."""
    return latest if 0 < latest - wall <= _HELD else wall


_BOOT_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@cache
def _read_boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


class ManualClock:
    """A clock that stands still until it is moved. For tests."""

    def __init__(self, wall: int = 1_800_000_000_000) -> None:
        self._wall, self._boot, self._boot_id = wall, 1_000_000, "manual"

    def wall(self) -> int:
        return self._wall

    def monotonic(self) -> float:
        return self._boot / 1000

    def boot(self) -> int:
        return self._boot

    def boot_id(self) -> str:
        return self._boot_id

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await _sleep(0)

    def advance(self, seconds: float) -> None:
        """Move all clocks on."""
        self._wall += round(seconds * 1000)
        self._boot += round(seconds * 1000)

    def step_wall(self, seconds: float) -> None:
        """Step the wall clock alone, as an operator or NTP would; negative steps back."""
        self._wall += round(seconds * 1000)

    def reboot(self) -> None:
        """As after a reboot: another boot id, and the boot clock from near zero."""
        self._boot, self._boot_id = 5_000, self._boot_id + "'"
