"""Records on disk, outside the store under test: one file for each process, one line for each record.

A line is written by one ``write`` to a file opened with O_APPEND: a process that is killed leaves a torn line at most,
and only as its last.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from headrace.system.clock import SystemClock
from headrace.testing.history.records import AnyRecord, encode

LONGEST = 4096
"""Bytes of one line, where its writer may be killed."""
SUFFIX = ".jsonl"


class TooLong(ValueError):
    """A record that does not fit into one line of a ledger."""

    def __init__(self, size: int, longest: int) -> None:
        super().__init__(f"a record of {size} bytes; this ledger takes {longest} at most: write several")


class Ledger:
    """The writing end. Belongs to one process; its threads may share it."""

    def __init__(self, path: Path, process: str, offset: int, longest: int = LONGEST) -> None:
        """``offset`` is how far the wall clock is ahead of the boot clock: one number for all processes of a run."""
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._clock = SystemClock()
        self._lock = threading.Lock()
        self._offset = offset
        self._calls = 0
        self._longest = longest
        self.process = process

    def next_call(self) -> int:
        """A number for a call that is to be written down: unique within the process."""
        with self._lock:
            self._calls += 1
            return self._calls

    def now(self) -> int:
        """Milliseconds since 1970 by a clock that all processes of this machine share, and that never steps."""
        return self._clock.boot() + self._offset

    def write(self, make: Callable[[int, str], AnyRecord]) -> None:
        """Write down what ``make(at, process)`` gives: one line, in one write."""
        with self._lock:
            self._append(make(self.now(), self.process))

    def _append(self, record: AnyRecord) -> None:
        line = encode(record) + b"\n"
        if len(line) > self._longest:
            raise TooLong(len(line), self._longest)
        os.write(self._descriptor, line)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


def clock_offset() -> int:
    """How far the wall clock is ahead of the boot clock, in milliseconds."""
    clock = SystemClock()
    return clock.wall() - clock.boot()
