"""What SQLite's errors mean to users."""

import errno
import os
import sqlite3

from headrace.model.errors import (
    CorruptStore,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnreachable,
)

_PRIMARY = 0xFF
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA})
_MOVED = 1032
"""SQLITE_READONLY_DBMOVED, which the sqlite3 module of Python 3.11 may not name."""


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds the lock."""
    return _primary(error) in _BUSY


def breaks_connection(error: sqlite3.Error) -> bool:
    """Whether the connection should be made anew: what it knows of the file may be wrong."""
    return _primary(error) not in (*_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG)


def translated(error: sqlite3.Error, path: str, patience: float) -> StoreError:
    """The error that users meet."""
    code = _primary(error)
    if code in _BUSY:
        return StoreBusy(path, patience)
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(path)
    if code == sqlite3.SQLITE_READONLY and getattr(error, "sqlite_errorcode", 0) != _MOVED:
        return StoreReadOnly(path, str(error))
    if code == sqlite3.SQLITE_CANTOPEN and not os.access(os.path.dirname(path), os.W_OK):
        return StoreReadOnly(path, "its directory can't be written")
    if code in _DAMAGED:
        return CorruptStore(path, str(error))
    return StoreUnreachable(path, str(error))


def translated_os(error: OSError, path: str) -> StoreError:
    """The same for what the operating system refuses."""
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StoreReadOnly(path, error.strerror or str(error))
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(path)
    return StoreUnreachable(path, error.strerror or str(error))


def _primary(error: sqlite3.Error) -> int:
    code = getattr(error, "sqlite_errorcode", None)
    return sqlite3.SQLITE_MISUSE if code is None else int(code) & _PRIMARY
