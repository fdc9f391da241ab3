"""Whether the -wal that a connection uses is still the one beside the file.

Whoever opens and closes the file by other means than SQLite, in the same process, takes all of this process's POSIX
locks on it away: a copy is enough. The next process that closes the store then believes to be the last one, and
removes the -wal. What this process commits from then on goes into a file without a name.
"""

import ctypes
import os
import sqlite3
import struct

from headrace.model.errors import StoreUnreachable

Inode = tuple[int, ...]
"""Device and number of a file."""
ABSENT: Inode = ()
_lost: set[str] = set()
"""Files of which this process has lost the -wal."""

_LIBC = ctypes.PyDLL(None)
"""Calls through this keep the GIL. ``os.stat`` gives it away, and a thread beside a busy loop waits 5 ms for it each
time: at two looks a commit that took a tenth of the jobs a second."""
_HERE, _NUMBER = -100, 0x100
_STATX = struct.Struct("=32xQ96xII112x")
"""Of struct statx, which is the same on all machines: the number, and the device's two."""


def inode(path: str) -> Inode:
    """Which file stands there."""
    found = ctypes.create_string_buffer(_STATX.size)
    if _LIBC.statx(_HERE, os.fsencode(path), 0, _NUMBER, found) != 0:
        return ABSENT
    return _STATX.unpack(found)


class WalWatch:
    """Of one connection."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._wal = f"{path}-wal"
        self._mine = ABSENT

    @property
    def is_lost(self) -> bool:
        """Another connection wouldn't help: SQLite shares what it knows of a file among those of a process."""
        return self._path in _lost

    def forget(self) -> None:
        """The connection was closed: the next one has another."""
        self._mine = ABSENT

    def check(self) -> None:
        """Called after a commit, before anybody is told of it, and before reads. StoreUnreachable from then on."""
        found = inode(self._wal)
        if self._mine == ABSENT:
            self._mine = found
        elif found != self._mine:
            _lost.add(self._path)
        self.refuse_lost()

    def refuse_lost(self) -> None:
        """StoreUnreachable where it was lost before: no look at the folder."""
        if self.is_lost:
            raise StoreUnreachable(
                self._path,
                "another process has removed its -wal: something in this process has opened and closed the file, "
                "which takes SQLite's locks away; restart this program",
            )


def leave_open(connection: sqlite3.Connection) -> None:
    """Never closed, not even when the interpreter ends: closing it would write what is lost over what is newer."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
