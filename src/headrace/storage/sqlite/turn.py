"""The writers' turn: a lock of our own beside SQLite's, under which we commit, and under which we checkpoint."""

import fcntl
import os
import threading
from contextlib import suppress

from headrace.system.ids import jitter_source

_SHORTEST, _LONGEST, _GROWTH = 0.0002, 0.002, 1.1
"""Seconds. SQLite's own busy handler sleeps up to 0.1 s, and so hands the lock to whoever asks by chance."""


class Turn:
    """Advisory, between our own processes: no checkpoint of ours can race a commit of ours."""

    def __init__(self, folder: str | None) -> None:
        self._path = None if folder is None else os.path.join(folder, "turn")
        self._descriptor: int | None = None
        self._open()

    def _open(self) -> None:
        if self._path is not None:
            with suppress(OSError):
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> bool:
        """Whether it is ours now. Never waits."""
        if self._descriptor is None:  # a full disk, or no more files to be opened: for a while only
            self._open()
        if self._descriptor is None:
            return True
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def give(self) -> None:
        """It may be another's."""
        if self._descriptor is not None:
            with suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Lets go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Backoff:
    """Waits between tries: short ones with jitter, for a lock that is held for milliseconds."""

    def __init__(self) -> None:
        self._jitter = jitter_source()
        self._pause = threading.Event()
        self._delay = _SHORTEST

    def reset(self) -> None:
        """A new lock is to be had."""
        self._delay = _SHORTEST

    def wait(self) -> None:
        """One pause, longer than the last."""
        self._pause.wait(self._delay * (0.5 + self._jitter()))
        self._delay = min(self._delay * _GROWTH, _LONGEST)

    def yield_turn(self) -> None:
        """Long enough for another process's try to fall into it."""
        self._pause.wait(_LONGEST / 2)
