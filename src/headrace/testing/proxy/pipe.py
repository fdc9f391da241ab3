"""One direction of one connection."""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum
from math import inf

import msgspec

from headrace.system.ids import Entropy
from headrace.testing.proxy.faults import GOOD, Conditions

_WINDOW = 256 * 1024
"""Bytes under way at most, as the window of a real connection: who sends more has to wait."""

_SLICE = 0.02
"""Seconds. A slow line passes on what it can in that time, and then again."""


class End(Enum):
    """How a direction ends. It takes its time as bytes do."""

    EOF = "eof"
    """The sender has no more to say."""
    CUT = "cut"
    """The connection is gone."""


class Pipe:
    """What is fed to it arrives in the same order, as late, as slowly and as far as the conditions say."""

    def __init__(
        self,
        conditions: Conditions,
        entropy: Entropy,
        tell: "Callable[[Pipe, End], None]",
        count: Callable[[int, bool], None],
    ) -> None:
        """``tell`` hears how it ends, ``count`` of bytes that were passed on (True) or swallowed (False)."""
        self._loop = asyncio.get_running_loop()
        self._entropy, self._tell, self._count = entropy, tell, count
        self._under_way: deque[tuple[float, bytes | End]] = deque()
        self._size = 0
        self._last_due = self._free_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_stalled = False
        self.source: asyncio.Transport | None = None
        self.sink: asyncio.Transport | None = None
        self.set_conditions(conditions)

    def set_conditions(self, conditions: Conditions) -> None:
        """From now on. What is under way keeps its time, but in a black hole it is lost."""
        self.conditions = conditions
        if conditions.swallows:
            self._swallow(self._size)
            self._clear()
        self._pump()

    def heal(self) -> None:
        """Good from now on, and what was held up arrives."""
        self._under_way = deque((0.0, item) for _, item in self._under_way)
        self._last_due = self._free_at = 0.0
        self.set_conditions(GOOD)

    def hold_up(self, seconds: float) -> None:
        """What is fed from now on arrives no sooner than after so many seconds."""
        self._last_due = max(self._last_due, self._loop.time() + seconds)

    def feed(self, item: bytes | End) -> None:
        """Send this on its way."""
        length = len(item) if isinstance(item, bytes) else 0
        if self.conditions.swallows:
            self._swallow(length)
            return
        delay = self.conditions.latency + self.conditions.jitter * self._entropy()
        self._last_due = max(self._last_due, self._loop.time() + delay)
        self._under_way.append((self._last_due, item))
        self._size += length
        self._pump()
        self._hold_back_source()

    def connect(self, sink: asyncio.Transport) -> None:
        """There is somewhere to arrive."""
        self.sink = sink
        self._pump()

    def stall(self) -> None:
        """The receiver takes no more."""
        self._is_stalled = True

    def go_on(self) -> None:
        """It takes more again."""
        self._is_stalled = False
        self._pump()

    def close(self) -> None:
        """Nothing more arrives."""
        self.source = self.sink = None
        self._clear()

    def _swallow(self, length: int) -> None:
        if length:
            self._count(length, False)

    def _clear(self) -> None:
        self._under_way.clear()
        self._size = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pump(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._under_way and self.sink is not None and not self._is_stalled:
            due, item = self._under_way[0]
            start = max(due, self._free_at)
            if start > self._loop.time():
                if start < inf:
                    self._timer = self._loop.call_at(start, self._pump)
                break
            self._under_way.popleft()
            if isinstance(item, End):
                self._tell(self, item)
            else:
                self._pass_on(due, item, self.sink)
        self._hold_back_source()

    def _pass_on(self, due: float, data: bytes, sink: asyncio.Transport) -> None:
        left, rate = self.conditions.cut_after, self.conditions.bytes_per_second
        length = len(data) if rate is None else min(len(data), max(1, int(rate * _SLICE)))
        length = length if left is None else min(length, left)
        if length < len(data):
            self._under_way.appendleft((due, data[length:]))
        self._size -= length
        if rate is not None:
            self._free_at = self._loop.time() + length / rate
        self._count(length, True)
        sink.write(data[:length])
        if left is not None:
            self.conditions = msgspec.structs.replace(self.conditions, cut_after=left - length)
            if left == length:
                self._cut_here(sink)

    def _cut_here(self, sink: asyncio.Transport) -> None:
        """The receiver gets all that was to arrive, even if it reads it late: a reset could overtake that."""
        self._clear()
        sink.close()
        self._tell(self, End.CUT)

    def _hold_back_source(self) -> None:
        if self.source is None or self.source.is_closing():
            return
        if self._size > _WINDOW:
            self.source.pause_reading()
        elif self._size <= _WINDOW // 2:
            self.source.resume_reading()
