"""Checkpoints: our own code decides when, and only while it is our turn to write."""

import os
import sqlite3
from contextlib import suppress

from headrace.storage.sqlite.turn import Turn
from headrace.system.clock import Clock

_LARGE = 16_000_000
"""Bytes written after which pages go from the -wal into the file. The -wal is then written from its start again:
blocks that are there already are cheaper to sync than new ones."""
_TOO_LARGE = 4 * _LARGE
"""Where a -wal that a reader kept from starting again is cut."""
_PER_COMMIT, _PER_ROW = 20_000, 800
"""Bytes, roughly: SQLite doesn't tell how much a commit has written."""
_IDLE = 1.0
"""Seconds without a commit after which the -wal is emptied."""


class Checkpointer:
    """Keeps the -wal small."""

    def __init__(self, path: str, turn: Turn, clock: Clock) -> None:
        self._wal, self._turn, self._clock = f"{path}-wal", turn, clock
        self._dirty = False
        self._empties_at = 0.0
        """When the -wal is to be emptied, unless there is a commit before."""
        self._written = 0

    def after_commit(self, connection: sqlite3.Connection, rows: int) -> None:
        """Checkpoints when enough was written."""
        self._dirty, self._empties_at = True, self._clock.monotonic() + _IDLE
        self._written += _PER_COMMIT + rows * _PER_ROW
        if self._written > _LARGE:
            self._written = 0
            self._checkpoint(connection, "TRUNCATE" if self._size() > _TOO_LARGE else "RESTART")

    def rest(self, connection: sqlite3.Connection | None) -> float | None:
        """Nothing waits: how long to rest before the -wal is to be emptied, None without end."""
        if not self._dirty or connection is None:
            return None
        left = self._empties_at - self._clock.monotonic()
        if left > 0:  # calls that write nothing come between: they don't make the second pass sooner
            return left
        self._dirty = not self._checkpoint(connection, "TRUNCATE")
        self._empties_at = self._clock.monotonic() + _IDLE
        return _IDLE if self._dirty else None

    def _size(self) -> int:
        try:
            return os.stat(self._wal).st_size
        except OSError:
            return 0

    def _checkpoint(self, connection: sqlite3.Connection, how: str) -> bool:
        if not self._turn.take():
            return False
        try:
            with suppress(sqlite3.Error):
                # A transaction of the user's own knows no turn. While it has the lock, this would become a checkpoint
                # of the kind that goes on beside a commit.
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
                busy, _, _ = connection.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
                return not busy
            return False
        finally:
            self._turn.give()
