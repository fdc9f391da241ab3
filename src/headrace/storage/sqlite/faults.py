"""What SQLite's errors mean to users."""

import errno
import os
import sqlite3

from headrace.model.errors import (
    CorruptStore,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreMoved,
    StoreReadOnly,
    StoreUnreachable,
)
from headrace.model.mark import PREFIX
from headrace.storage.sqlite.probing import refusal

_PRIMARY = 0xFF
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA})
_DENIED = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
"""What SQLite says where the system refused something, and not what."""
_MOVED = 1032
"""SQLITE_READONLY_DBMOVED, which the sqlite3 module of Python 3.11 may not name."""


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds the lock."""
    return _primary(error) in _BUSY


def breaks_connection(error: sqlite3.Error) -> bool:
    """Whether the connection should be made anew: what it knows of the file may be wrong."""
    return _primary(error) not in (*_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG)


def leaves_a_trace(error: sqlite3.Error) -> bool:
    """Whether a commit that failed so may stand in the -wal in full: it was written, and then not synced. Where a
    write failed, the frame that makes it one is missing: that is written last."""
    return _primary(error) == sqlite3.SQLITE_IOERR and error.sqlite_errorcode != sqlite3.SQLITE_IOERR_WRITE


def is_moved(error: sqlite3.Error) -> bool:
    """Whether a mark of the store refused it."""
    code = getattr(error, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_CONSTRAINT_TRIGGER and str(error).startswith(PREFIX)


def translated(error: sqlite3.Error, path: str, patience: float) -> StoreError:
    """The error that users meet."""
    code = _primary(error)
    if code in _BUSY:
        return StoreBusy(path, patience)
    if is_moved(error):
        return StoreMoved(path, str(error).removeprefix(PREFIX))
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(path)
    if code == sqlite3.SQLITE_READONLY and getattr(error, "sqlite_errorcode", 0) != _MOVED:
        return StoreReadOnly(path, str(error))
    if code == sqlite3.SQLITE_CANTOPEN and not os.access(os.path.dirname(path), os.W_OK):
        return StoreReadOnly(path, "its directory can't be written")
    if code in _DAMAGED:
        return CorruptStore(path, str(error))
    refused = refusal(path) if code in _DENIED else None
    if refused is not None:
        return translated_os(refused, path)
    return StoreUnreachable(path, str(error))


def translated_os(error: OSError, path: str) -> StoreError:
    """The same for what the operating system refuses."""
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StoreReadOnly(path, error.strerror or str(error))
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFull(path, None if error.errno == errno.ENOSPC else error.strerror)
    return StoreUnreachable(path, error.strerror or str(error))


def _primary(error: sqlite3.Error) -> int:
    code = getattr(error, "sqlite_errorcode", None)
    return sqlite3.SQLITE_MISUSE if code is None else int(code) & _PRIMARY
